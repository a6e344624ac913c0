# The main job is `make repro`; `make help` lists the rest. Needs Python 3.11 or newer, make and git.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/.ready
RUN := PATH="$(BIN):$$PATH" PYTHONPATH=. "$(BIN)/python"
INSTALLER ?= uv
INSTALL_pip = "$(BIN)/python" -m pip install --quiet --no-deps --require-hashes -r requirements.lock
# uv is itself in the lock: pip installs that one entry, uv the rest, in seconds instead of many minutes
INSTALL_uv = sed -n '/^uv==/,/^    \# via/p' requirements.lock > "$(VENV)/uv.lock" && \
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$(VENV)/uv.lock" && \
	"$(BIN)/python" -m uv pip install --quiet --python "$(BIN)/python" --no-deps --require-hashes -r requirements.lock
# without bytecode every stage compiles its libraries again, half of the seconds that it takes to start
unexport PYTHONDONTWRITEBYTECODE
export DVC_NO_ANALYTICS = 1
export DVC_SITE_CACHE_DIR = .cache/dvc
export MLFLOW_DISABLE_TELEMETRY = true
.DEFAULT_GOAL := help
.PHONY: help repro test test-slow test-all check params plan doctor fetch ui review bench cache verify tiny tiny-card lock \
	clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

$(READY): requirements.lock
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 't2ibench needs Python 3.11 or newer; name one: make PYTHON=python3.12 …' >&2; exit 2; }
	@test -x "$(BIN)/python" || "$(PYTHON)" -m venv "$(VENV)"
	@echo "installing requirements.lock into $(VENV) (INSTALLER=pip installs without uv: slower, and it reads pip.conf)"
	@$(INSTALL_$(INSTALLER))
	@touch "$(READY)"

repro: $(READY) ## run the study from prompts to MLflow: what params.yaml says, and only what changed
	@$(RUN) -m dvc repro
	@$(RUN) -m t2ibench.compare
	@$(RUN) -m t2ibench.report.timing
	@echo "The report: data/report/index.html.  The runs in MLflow: make ui"

test: $(READY) ## run the tests, but for those that take over a minute each
	@$(RUN) -m pytest -m "not slow"

test-slow: $(READY) ## run the tests that take over a minute each: 20 kills, a model of full size
	@$(RUN) -m pytest -m slow

test-all: test test-slow ## run all tests, the long ones last

check: $(READY) ## lint and type-check
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

params: $(READY) ## compose conf/ into params.yaml
	@$(RUN) -m t2ibench.harness.params

ui: $(READY) ## open the MLflow UI on 127.0.0.1:5000 (PORT=… for another)
	@$(RUN) -m t2ibench.track.ui --port $(or $(PORT),5000)

plan: $(READY) ## what params.yaml costs before it runs: images, device hours, dollars, disk, downloads
	@$(RUN) -m t2ibench.plan

doctor: $(READY) ## what is missing on this machine for the study of params.yaml
	@$(RUN) -m t2ibench.plan.doctor

fetch: $(READY) ## download what params.yaml names as hub://…: published models (models=hub), COCO's captions
	@$(RUN) -m t2ibench.hub fetch

review: $(READY) ## judge the pictures of SOURCE=… by eye, as REVIEWER=…, on a page on 127.0.0.1 (PORT=… for another)
	@$(RUN) -m t2ibench.filter.review "$(SOURCE)" --reviewer "$(REVIEWER)" --port $(or $(PORT),8321)

bench: $(READY) ## measure the stages' throughput
	@$(RUN) -m pytest tests/bench --benchmark-enable --benchmark-only --benchmark-quiet -q -p no:cacheprovider

cache: $(READY) ## what is stored and reused; PRUNE=30d or PRUNE=2GB names what could go, YES=1 deletes it (KIND=… only that)
	@$(RUN) -m t2ibench.cache $(if $(PRUNE),--prune "$(PRUNE)") $(if $(KIND),--kind "$(KIND)") $(if $(YES),--yes)

verify: $(READY) ## make SAMPLE=50 of the recorded images of each source again, and compare them
	@$(RUN) -m t2ibench.verify --sample $(or $(SAMPLE),50)

tiny: $(READY) ## train the bundled models again, from the first scene on; hours on two cores
	@$(RUN) -m t2ibench.tiny.recipe all

tiny-card: $(READY) ## measure the bundled models on fresh scenes and write their card's figures
	@$(RUN) -m t2ibench.tiny.card

lock: $(READY) ## resolve pyproject.toml into requirements.lock
	"$(BIN)/python" -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev pyproject.toml -o requirements.lock

clean: ## remove the environment, the caches and what the pipeline made
	rm -rf "$(VENV)" .cache data mlruns mlflow.db .pytest_cache .mypy_cache .ruff_cache .benchmarks
