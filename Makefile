# Each target makes the virtual environment, and the bundle where there is none, that it needs: one
# command after `git clone` is enough.
PYTHON ?= $(firstword $(foreach v,3.11 3.12 3.13,$(shell command -v python$(v))) python3)
VENV   := .venv
BIN    := $(VENV)/bin
RECIPE ?= heads
BUNDLE := build/$(basename $(notdir $(RECIPE)))
LIMIT  ?=
export HEXDET_DATA

.PHONY: export-dlc report parity bench-adb train evaluate test doctor fuzz lint docker release-check format clean
.DEFAULT_GOAL := export-dlc

export-dlc: $(VENV)/ready ## checkpoint -> ONNX -> INT8 -> DLC, with a short accuracy check
	$(BIN)/hexdet export $(RECIPE)

$(BUNDLE)/detector.json: | $(VENV)/ready
	$(BIN)/hexdet export $(RECIPE)

report: $(VENV)/ready $(BUNDLE)/detector.json ## the accuracy-drop report of the bundle, LIMIT=N images
	$(BIN)/hexdet report $(BUNDLE) $(if $(LIMIT),--limit $(LIMIT))

parity: $(VENV)/ready $(BUNDLE)/detector.json ## the ladder: PyTorch, ONNX, INT8, emulated HTP, the DLC executed
	$(BIN)/hexdet parity $(BUNDLE) $(if $(LIMIT),--limit $(LIMIT))

bench-adb: $(VENV)/ready $(BUNDLE)/detector.json ## the bundle on phones and boards behind adb; needs the SDK
	$(BIN)/hexdet bench adb $(BUNDLE)

train: $(VENV)/ready ## train the recipe; the checkpoint is then used by export-dlc
	$(BIN)/hexdet train $(RECIPE)

evaluate: $(VENV)/ready $(BUNDLE)/detector.json ## score the INT8 graph on onnxruntime CPU
	$(BIN)/hexdet evaluate $(BUNDLE) $(if $(LIMIT),--limit $(LIMIT))

SLOW ?=
test: $(VENV)/ready-dev ## every test that this machine can run, SLOW=1 for the slow; says what it skipped
	$(BIN)/pytest --numprocesses auto --dist loadfile $(if $(SLOW),--slow)

doctor: $(VENV)/ready ## what this machine can do, and what to do where it cannot
	$(BIN)/hexdet doctor

survival: $(VENV)/ready-dev ## kills, full disks, hostile files and the like: what is survived, as tables
	$(BIN)/python tests/survival/tables.py $(TABLES)

COUNT ?= 100000
fuzz: $(VENV)/ready-dev ## COUNT mutated DLCs into the DLC reader
	$(BIN)/python tests/fuzz/fuzz_dlc.py --count $(COUNT)

# mypy wants the package by its name, and a checkout's folder may be called anything.
STAGES  := recipe runtime datasets evaluation calibration_data training quantization export benchmarks doctor cli
MODULES := __main__ errors
lint: $(VENV)/ready-dev ## ruff, its formatter, mypy strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p build/lint && ln -sfn ../.. build/lint/hexdet
	cd build/lint && ../../$(BIN)/mypy --config-file ../../pyproject.toml \
		$(addprefix -p hexdet.,$(STAGES)) $(addprefix -m hexdet.,$(MODULES))

ENGINE ?= docker
docker: ## the images hexdet-toolchain and hexdet-runtime, ENGINE=docker, podman or buildah
	$(ENGINE) build -f docker/toolchain.Dockerfile -t hexdet-toolchain .
	$(ENGINE) build -f docker/runtime.Dockerfile -t hexdet-runtime .

SKIP ?=
release-check: $(VENV)/ready-dev ## all that must hold before a release, SKIP="tests docker" to leave out steps
	$(BIN)/python tests/release/release_check.py build/release $(addprefix --skip ,$(SKIP))

format: $(VENV)/ready-dev
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:
	rm -rf build $(VENV)

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hexdet needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[toolchain]'
	touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[toolchain,dev]'
	touch $@
