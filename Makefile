# Everything runs in a local environment, made on first use from the pinned versions.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

SEED ?= 0
COUNT ?= 10000

.PHONY: demo demo-detect test test-chosen test-all fuzz lint docs cards costs reference clients benchmarks clean

$(VENV)/.installed: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[test]' --constraint constraints.txt
	touch $@

# The full tests read PyTorch's files too.
$(VENV)/.torch: $(VENV)/.installed
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[test,torch]' --constraint constraints.txt
	touch $@

# Fine-tunes the released MicroNetM0 on scikit-learn's handwritten digits and exports it, every file verified.
demo: $(VENV)/.installed
	rm -rf demo
	$(RUN) -m keras_lightnets.data.digits demo/digits
	$(VENV)/bin/keras-lightnets finetune --model MicroNetM0 --weights cifar10 --data demo/digits --output demo/out --size 48 --epochs 10 --no-flip

# Trains a detector and a segmenter on the released MicroNetM0, on scenes of scikit-learn's digits, and exports both.
DENSE := --model MicroNetM0 --weights cifar10 --data demo/scenes/one --size 96 --frozen-epochs 0 --head-width 0.25 --no-flip
demo-detect: $(VENV)/.installed
	rm -rf demo/scenes demo/detector demo/segmenter demo/found
	$(RUN) -m keras_lightnets.data.digit_scenes demo/scenes
	$(VENV)/bin/keras-lightnets finetune --task detect $(DENSE) --epochs 18 --output demo/detector
	$(VENV)/bin/keras-lightnets finetune --task segment $(DENSE) --epochs 12 --output demo/segmenter
	$(VENV)/bin/keras-lightnets predict --model demo/detector/model_float32.tflite --output demo/found demo/scenes/one/test/images/000[0-3].jpg

lint: $(VENV)/.installed
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(VENV)/bin/lint-imports
	$(RUN) -m tools.house
	$(RUN) -m mypy
	$(RUN) -m tools.english

test: lint
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

# The slow tests that guard what no other does: training that learns, replicas, other backends, odd sizes.
test-chosen: $(VENV)/.installed
	$(RUN) -m pytest -n 2 --dist loadfile -m chosen

test-all: lint $(VENV)/.torch
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[test,tfds]' --constraint constraints.txt
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Opens COUNT damaged files of every kind; what it finds comes again with the same SEED.
fuzz: $(VENV)/.torch
	$(RUN) -m tests.fuzz --seed $(SEED) --count $(COUNT)

# The pages as a site, in site/; a broken link or a name without a docstring ends the build.
docs: reference
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[docs]' --constraint constraints.txt
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

# The reference, from docstrings and the options of the commands.
reference: $(VENV)/.installed
	$(RUN) -m tools.generate_reference

# Opens exported files with programs of others, each in an environment of its own; then docs/clients.md.
clients: $(VENV)/.installed
	$(RUN) -m tools.clients

cards: $(VENV)/.installed
	$(RUN) -m tools.generate_cards

costs: $(VENV)/.installed
	$(RUN) -m tools.generate_costs

# Minutes each, and only meaningful on a quiet machine; then docs/performance.md.
BENCHMARKS := training_step two_cores tflite_latency shift_max_operator primitives import_and_build export_time
benchmarks: $(VENV)/.installed
	for name in $(BENCHMARKS); do $(RUN) -m benchmarks.$$name || exit 1; done
	$(RUN) -m benchmarks.performance_page

clean:
	rm -rf $(VENV) .clients build dist demo site *.egg-info
