# Needs Python 3.11 to 3.13, git and make. PYTHON=python3.12 chooses another interpreter.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Each of the many processes of a test run would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo ui test fuzz pythons check audit sbom constraints clean

demo: .venv/local ## take a real clip to labels, an augmented clip and its labels
	@python scripts/demo.py

ui: .venv/local ## the same world with the Dagster UI at http://127.0.0.1:3000
	@vda media & media=$$!; trap "kill $$media" EXIT; vda osmo-local exec -- dagster dev -w workspace.yaml --host 127.0.0.1 --port $${PORT:-3000}

test: .venv/dev ## run the tests; two more processes use the time in which the others wait
	python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

pythons: .venv/dev ## imports, definitions and the quick tests under the other Pythons that this machine has
	.ci/other-pythons

fuzz: .venv/dev ## what comes from outside, damaged at random for SECONDS; `make test` tries a little of it
	VDA_FUZZ_SECONDS=$(or $(SECONDS),600) python -m pytest --timeout=0 vda_assets_tests/fuzz vda_assets_tests/media/test_broken_headers.py

check: .venv/dev ## formatting, lint, types, imports between rooms, and whether Dagster loads the definitions
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	dagster definitions validate -w workspace.yaml

audit: .venv/dev ## are pinned libraries known to be unsafe? by a list, and by pip-audit where its index answers
	python scripts/audit.py

sbom: .venv/dev ## what Python libraries the image IMAGE holds, as CycloneDX in sbom.json; ENGINE is docker or podman
	deploy/sbom.sh $(IMAGE) >sbom.json

constraints: ## resolve all dependencies anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate --no-header pyproject.toml \
		--upgrade -o constraints.txt

clean: ## remove the environment and everything that the embedded world keeps
	rm -rf .venv .venv-* .vda

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/local: $(BIN)/python pyproject.toml constraints.txt
	$(call install,.[local])
	@touch $@

.venv/dev: .venv/local
	$(call install,.[local$(,)cluster$(,)metrics$(,)alerts$(,)release$(,)dev])
	$(BIN)/python -m pip install --quiet --no-deps datumaro==1.13.12 || echo "without Datumaro its test is skipped"
	@touch $@

, := ,
# uv takes seconds where pip takes minutes; pip knows an index of your own that stands in its configuration.
install = ($(BIN)/python -m pip install --quiet uv && \
	UV_NATIVE_TLS=1 $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '$(1)') || \
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '$(1)'
