#!/bin/sh
# Stops a build that shall hold no GPL code where PyAV's FFmpeg was built with x264 or x265. Usage: codecs.sh ENVIRONMENT GPL
set -eu
[ "$2" != none ] || "$1"/bin/python - <<'CODE'
import sys

import av
import av._core

found = sorted(av.codec.codecs_available & {"libx264", "libx265"})
licence = av._core.library_meta["libavcodec"]["license"]
if found or licence.startswith("GPL"):
    sys.exit(f"PyAV {av.__version__} brings an FFmpeg under {licence} with {found}: put a wheel of your own into deploy/wheels")
CODE
