# `make` alone lists the targets; the line above each is its help.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCENARIO ?=
GATEWAY_PORT ?=
GATEWAY_HTTPS_PORT ?=
API_PORT ?=
STATE ?=
NAME =
BENCH ?=
PAGE ?=
SERVICES := $(patsubst services/%/app.py,%,$(wildcard services/*/app.py))
# Tests and meshes start Python again and again, which would compile all modules each time.
unexport PYTHONDONTWRITEBYTECODE
OVERLAY = $(if $(SCENARIO),istio/overlays/$(SCENARIO),istio/base)

# `make prove canary` means `make prove SCENARIO=canary`: words after these targets name the scenario.
ifneq (,$(filter prove up,$(firstword $(MAKECMDGOALS))))
  WORDS := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
  ifneq (,$(WORDS))
    SCENARIO := $(WORDS)
    .DEFAULT: ; @:
  endif
endif

## Start the mesh with the canary, prove it, print the verdict, stop
demo: setup
	@exec $(BIN)/localmesh up -k istio/overlays/canary --state .localmesh/demo --gateway-port 0 --api-port 0 --end-with-parent -- $(BIN)/loadgen prove canary

## Start the mesh in the foreground: make up, make up SCENARIO=canary GATEWAY_PORT=8090 API_PORT=7090
up: setup check-scenario
	@exec $(BIN)/localmesh up -k $(OVERLAY) $(if $(GATEWAY_PORT),--gateway-port "$(GATEWAY_PORT)") $(if $(GATEWAY_HTTPS_PORT),--gateway-https-port "$(GATEWAY_HTTPS_PORT)") $(if $(API_PORT),--api-port "$(API_PORT)") $(if $(STATE),--state "$(STATE)") --from-make --end-with-parent

## Run every test: lint, types, unit tests, whole meshes, the browser
test: setup-dev lint types
	@status=0; \
	$(BIN)/pytest -n 3 --dist loadgroup --no-loadscope-reorder --durations 10 -m "not (cluster or exercise or timed)" || status=$$?; \
	[ $$status = 2 ] || $(BIN)/pytest tests --durations 10 -m "timed and not exercise" || status=$$?; \
	exit $$status

## Check format, lint and the directions of imports
lint: setup-dev
	@$(BIN)/ruff format --check --quiet . || { echo 'run `make format`'; exit 1; }
	@$(BIN)/ruff check --quiet .
	@report=$$($(BIN)/lint-imports --no-cache 2>&1) || { echo "$$report"; exit 1; }

## Check types, strictly
types: setup-dev
	@$(BIN)/mypy

## Format the code
format: setup-dev
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix --quiet .

## Update the expected files of the golden tests
golden: setup-dev
	@$(BIN)/pytest -q --update-golden -m "not mesh and not browser and not cluster" -k golden

## Let Envoy validate 2,000 generated objects, and hold what explain says of 2,000 requests against real Envoys
fuzz: setup-dev
	@LOCALMESH_FUZZ=1000 $(BIN)/pytest -q -s --timeout 0 localmesh/tests/fuzz localmesh/tests/agreement localmesh/tests/analysis/test_missing_clusters.py localmesh/tests/translate/test_cache.py

## Measure speed and memory beside bars and peers: make bench, make bench BENCH=startup
bench: setup
	@$(BIN)/python -m bench $(BENCH)

## Prove every scenario in one mesh, or a single one: make prove, make prove SCENARIO=canary
prove: setup check-scenario
	@exec $(BIN)/localmesh up -k $(OVERLAY) --state .localmesh/prove --gateway-port 0 --api-port 0 --end-with-parent -- $(BIN)/loadgen prove $(or $(SCENARIO),--all)

## Execute every command of the workshop's pages, then grade the exercises: make workshop, make workshop PAGE=04
workshop: $(if $(PAGE),setup,setup-dev)
	@$(BIN)/localmesh up -k istio/base --state .localmesh/workshop --gateway-port 0 --api-port 0 --end-with-parent -- $(BIN)/python -m scripts.workshop $(PAGE)
	@$(if $(PAGE),,$(MAKE) -s exercises)

## Grade every exercise of the workshop: untouched, solved, and with each listed mistake
exercises: setup-dev
	@$(BIN)/pytest -q --durations 5 tests/test_exercises.py tests/test_class.py

## Build all images with Docker, as sentimesh/NAME
images: BUILD = docker build --quiet --build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' localmesh/__init__.py)" --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)"
images:
	@for service in $(SERVICES); do $(BUILD) --file services/Dockerfile --build-arg SERVICE=$$service --tag sentimesh/$$service . || exit 1; done
	@for part in loadgen localmesh; do $(BUILD) --file $$part/Dockerfile --tag sentimesh/$$part . || exit 1; done
	@docker build --quiet --file k8s/components/debug/Dockerfile --tag sentimesh/debug .

## Update the pictures in docs/images from a running mesh in a real browser
pictures: setup-dev
	@exec $(BIN)/localmesh up -k istio/base --state .localmesh/pictures --gateway-port 0 --api-port 0 --end-with-parent -- $(BIN)/python scripts/pictures.py

## List the scenarios
scenarios:
	@for readme in istio/overlays/*/README.md; do name=$$(basename $$(dirname $$readme)); test ! -f loadgen/proofs/$${name//-/_}.py || printf '%-20s %s\n' "$$name" "$$(sed -n '1s/^# *//p' $$readme)"; done

## Write overlay, page and proof of a new scenario: make new-scenario NAME=my-thing
new-scenario: setup-dev
	@$(BIN)/python -m scripts.new_scenario "$(NAME)"

## Install what runs into .venv; the other targets do it when it is needed
setup: $(VENV)/.ready

## Install the tools of the tests as well
setup-dev: $(VENV)/.ready-dev

$(VENV)/.ready: requirements/run.txt requirements/kubectl.txt pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" scripts/setup.sh run
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements/dev.txt
	@PYTHON="$(PYTHON)" VENV="$(VENV)" scripts/setup.sh dev
	@touch $@

## Update the pinned requirements from the dependencies in pyproject.toml
requirements: setup-dev
	@scripts/requirements.sh

## Remove what was installed and what meshes have left
clean:
	@test ! -x $(BIN)/python || $(BIN)/python scripts/require_no_mesh.py .localmesh
	@rm -rf $(VENV) .localmesh .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

check-scenario:
	@test -f "$(OVERLAY)/kustomization.yaml" || { echo "there is no scenario \"$(SCENARIO)\"; there are: $$($(MAKE) -s scenarios | cut -d' ' -f1 | tr '\n' ' ')" >&2; exit 2; }

## Show this list
help:
	@awk '/^## /{help=substr($$0,4);next} /^[a-z-]+:/{if(help){split($$1,name,":");printf "  %-14s%s\n",name[1],help};help=""}' Makefile

.PHONY: demo up test lint types format golden bench fuzz prove workshop exercises images pictures scenarios new-scenario setup setup-dev requirements clean check-scenario help
