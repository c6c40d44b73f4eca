# Starts the worker that lies beside this file with the image's own Python: bash start.sh augmentation|auto_labeling …
# The image of paidf-augmentation has no python3 on PATH. Its interpreter is /app/.venv/bin/python in 1.0.x and
# /workspace/.venv/bin/python in 1.1.0; the one of paidf-auto-labeling is in /opt/venv/bin, on PATH.
for python in \
  "${UV_PROJECT_ENVIRONMENT:+$UV_PROJECT_ENVIRONMENT/bin/python}" \
  /app/.venv/bin/python \
  /workspace/.venv/bin/python \
  /opt/venv/bin/python \
  "$(command -v python3)"
do
  if [ -x "$python" ]; then
    exec "$python" "$(dirname "${BASH_SOURCE[0]}")/vda_assets/worker" "$@"
  fi
done
echo "vda_worker: FAILED: the image has no Python where its versions have one, and no python3 on PATH; is it the right image?"
exit 64
