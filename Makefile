# Everything runs in .venv, which is made here; all it needs is Linux, make, and Python 3.11 or later with its venv module.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
PHYSICS := physics
CODECS := codecs
SCAN := scan
LEVELS := levels
# Processes of the scan of the size of codes, and what it tries: less than `make docs-dimension SIZES=`, which takes hours.
WORKERS ?= 2
SIZES ?= --epochs 1 --set n_train=4000 --set n_test=1000 --set copies=8 --set root.bits=[3,5,7] --set root.corners=[] \
	--set others_root.latent=[2,4,8,16] --set others_root.bits=[] --set others_root.corners=[] --set others_root.learned=[] \
	--set others_lower.latent=[2,4,8,12] --set others_lower.bits=[] --set others_lower.seeds=1
# Mutated files that make fuzz reads, and the seed of their changes.
N ?= 10000
SEED ?= 1
# Length of the trainings that are compared, relative to that of the preset.
LENGTH ?= 0.4
AGGREGATION := aggregation
ORIGINAL := original
# Optimisation steps of each learned codec.
STEPS ?= 2000
# Most modules that each codec is evaluated on.
MODULES ?= 5000
# Epochs of the quantised training and of those that are scanned.
EPOCHS ?= 5
# Kills of each verb.
KILLS ?= 20
DIGITS := digits
EXAMPLE = WORKFLOW_DIR=$(DIGITS)/workflow OUTPUT_DIR=$(DIGITS)/output $(BIN)/SetupExampleModel
MNIST = --data $(HGCAE_DATA)/mnist/mnist.npz
HGCAE_DATA ?= ../shared/data
SCRATCH := $(VENV)/scratch
# TensorFlow 2.15 and QKeras, to compare with: they do not fit together with what the package needs, nor on a newer Python.
PEERS := .venv-peers
PEER_PYTHON ?= python3.11
# What the tests need beyond the plain installation; and the first pip that knows dependency groups.
TEST_EXTRAS := scan,workflow
GROUPS := --group dev
NEW_PIP := -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
# Without byte code the installation takes half the time; modules are compiled when they are first imported.
PIP := -m pip install --quiet --disable-pip-version-check --no-compile

# COVER=1 counts which lines the tests reach, which takes a quarter more time. Both parts of the tests are counted together, so neither is
# held to the bound alone.
COVERED := $(if $(COVER),--cov --cov-report= --cov-fail-under=0)

# The stamps of the two installations: what users run, and what developers add.
RUNTIME := $(VENV)/runtime.stamp
TOOLS := $(VENV)/tools.stamp

.DEFAULT_GOAL := help
.PHONY: help demo docs docs-codecs docs-dimension docs-levels docs-aggregation docs-mnist docs-original docs-physics docs-ranked docs-report docs-robustness fuzz kill test test-slow test-slurm coverage lint format bench bench-peers constraints clean

help: ## Show these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## Simulate, train, compress and evaluate in a few minutes; results in demo/
	$(BIN)/hgcae demo -o $(DEMO)

docs: demo $(TOOLS) ## Run the demo, then write its figures and tables into docs/
	$(BIN)/python docs/build.py demo $(DEMO)

docs-codecs: $(TOOLS) ## Compare all module codecs on real modules (HGCAE_DATA), then write docs/codecs.md
	for name in events ttbar electron; do $(BIN)/hgcae compare --sample $$name --data $(HGCAE_DATA) --steps $(STEPS) --max-modules $(MODULES) -o $(CODECS)/$$name || exit 1; done
	$(BIN)/python docs/build.py codecs $(CODECS)

docs-report: demo $(TOOLS) ## Photograph the demo's report in Chromium, for docs/report.md
	$(BIN)/python docs/build.py report $(DEMO)/report.html

docs-robustness: demo $(TOOLS) ## Disturb the demo's events and codes, then write docs/robustness.md
	$(BIN)/hgcae stress $(DEMO)/run -o $(DEMO)/stress --events 300
	$(BIN)/python docs/build.py robustness $(DEMO)/stress

docs-ranked: demo $(TOOLS) ## Evaluate whole showers behind ranked cells and the demo's levels, then write docs/ranked.md
	$(BIN)/hgcae physics $(DEMO)/run -o $(DEMO)/ranked --events 150 --set transport_events=30 --workers 2 \
		--levels ROC --levels MODULE --levels TRIPLET --levels STAGE1 --baseline quanta --baseline ranked
	$(BIN)/python docs/build.py ranked $(DEMO)/ranked

docs-physics: $(TOOLS) ## Train on electrons, photons, pions, alone and in pairs, evaluate whole showers, then write docs/physics_results.md
	$(BIN)/hgcae simulate --particle e- --particle gamma --particle pi- --energy 20 500 --set "gun.count=[1,2]" -n 16000 --seed 201 \
		--workers 2 -o $(PHYSICS)/mixed.parquet
	$(BIN)/hgcae train -i $(PHYSICS)/mixed.parquet --epochs 30 --set test_share=0.02 -o $(PHYSICS)/run
	$(BIN)/hgcae physics $(PHYSICS)/run -o $(PHYSICS) --events 600
	$(BIN)/hgcae physics $(PHYSICS)/run -o $(PHYSICS)/simple --events 200 --levels MODULE --levels STAGE2 --set transport_events=20 \
		--baseline best_choice_spread --baseline largest_cells
	$(BIN)/python docs/build.py physics_results $(PHYSICS)

docs-levels: $(TOOLS) ## Train three seeds for an hour and more, evaluate them, then write docs/levels.md
	$(BIN)/hgcae simulate --energy 20 500 -n 24000 --seed 101 --workers 2 -o $(LEVELS)/train.parquet
	$(BIN)/hgcae simulate --energy 20 500 -n 6000 --seed 102 --workers 2 -o $(LEVELS)/test.parquet
	for seed in 1 2 3; do \
		$(BIN)/hgcae train -i $(LEVELS)/train.parquet --epochs full --set test_share=0.02 --seed $$seed -o $(LEVELS)/run$$seed || exit 1; \
		$(BIN)/hgcae evaluate $(LEVELS)/run$$seed -i $(LEVELS)/test.parquet --max-events 6000 --set "energy_edges_gev=[20,50,150,500]" || exit 1; \
	done
	$(BIN)/python docs/build.py levels $(LEVELS)

docs-dimension: demo $(TOOLS) ## Train codes of all sizes on the demo's run, then write docs/dimension.md
	$(BIN)/hgcae scan dimension $(DEMO)/run -o $(SCAN) --workers $(WORKERS) $(SIZES)
	$(BIN)/python docs/build.py dimension $(SCAN)

docs-aggregation: $(TOOLS) ## Compare ways of aggregating units, then write docs/aggregation.md
	$(BIN)/hgcae scan merge -o $(AGGREGATION) --length $(LENGTH)
	$(BIN)/python docs/build.py aggregation $(AGGREGATION)

docs-original: $(TOOLS) $(PEERS)/peers.stamp ## Train the original network here and by TensorFlow + QKeras, then write docs/original.md; takes hours
	$(BIN)/python benchmarks/bench_original.py --peer $(PEERS)/bin/python -o $(ORIGINAL)
	$(BIN)/python docs/build.py original $(ORIGINAL)

docs-mnist: $(TOOLS) ## Train the example on MNIST (HGCAE_DATA) and on smaller digits, then write docs/mnist.md
	mkdir -p $(DIGITS)
	$(EXAMPLE) 28 --data digits --json > $(DIGITS)/digits.json
	$(EXAMPLE) 28 $(MNIST) --json > $(DIGITS)/mnist.json
	$(EXAMPLE) 28 $(MNIST) --quantised --epochs $(EPOCHS) --json > $(DIGITS)/quantised.json
	$(EXAMPLE) 1 2 4 8 16 28 32 64 $(MNIST) --epochs $(EPOCHS) --json > $(DIGITS)/scan.json
	$(EXAMPLE) 28 --data digits --compare --epochs 20 --json > $(DIGITS)/comparison.json
	$(BIN)/python docs/build.py mnist $(DIGITS)

test: lint ## Check the code, then run all tests but the slowest
	$(BIN)/pytest $(COVERED)

test-slow: $(TOOLS) ## Run the slowest tests: whole programs that are killed, resumed, scanned
	$(BIN)/pytest -m slow --dist=loadscope $(COVERED) $(if $(COVER),--cov-append)

kill: $(TOOLS) ## Kill train, evaluate, compare and run 20 times each: the same command ends with the same bytes
	KILLS=$(KILLS) $(BIN)/pytest -m slow --numprocesses=1 tests/test_kill.py

fuzz: $(TOOLS) ## Read 10,000 mutated files with all readers; N=, SEED= for others, CASE= for one again
	PYTHONPATH=tests $(BIN)/python -m fuzz --seed $(SEED) --count $(N) $(if $(CASE),--case $(CASE))

coverage: $(TOOLS) ## Say what the last test and test-slow with COVER=1 did not reach; fails below the bound
	$(BIN)/coverage report

test-slurm: $(TOOLS) ## Run a workflow on a real Slurm of this one machine; needs root, and installs Debian's packages
	.ci/slurm.sh $(BIN)/python

lint: $(TOOLS) ## Check style, types and import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo

format: $(TOOLS) ## Fix what can be fixed automatically
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench-peers: $(RUNTIME) $(PEERS)/peers.stamp ## Compare losses and codes with TensorFlow and QKeras, and time both; QUICK=1 for fewer steps
	$(BIN)/python benchmarks/bench_train.py --peer $(PEERS)/bin/python --same
	$(BIN)/python benchmarks/bench_train.py --peer $(PEERS)/bin/python $(if $(QUICK),--quick)

bench: $(TOOLS) ## Time everything that needs no peer, then write docs/benchmarks.md
	for name in scaling encode ranked simulate econt workflow; do $(BIN)/python benchmarks/bench_$$name.py $(if $(QUICK),--quick) || exit 1; done
	$(BIN)/python docs/build.py

constraints: ## Raise the pinned versions to the newest that fit together
	$(PYTHON) -m venv --clear $(SCRATCH)
	$(SCRATCH)/bin/python $(NEW_PIP)
	$(SCRATCH)/bin/python $(PIP) --editable '.[$(TEST_EXTRAS)]' $(GROUPS)
	$(SCRATCH)/bin/python -m pip freeze --exclude-editable > $(SCRATCH)/all.txt
	grep -E '^[A-Za-z0-9._-]+==[0-9][^ ]*$$' $(SCRATCH)/all.txt > $(SCRATCH)/constraints.txt
	mv $(SCRATCH)/constraints.txt constraints.txt
	rm -rf $(SCRATCH)

clean: ## Remove everything made here, the environment included
	rm -rf $(VENV) $(PEERS) $(DEMO) $(DIGITS) dist .coverage .coverage.* .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(NEW_PIP)

$(PEERS)/peers.stamp:
	$(PEER_PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python $(PIP) tensorflow-cpu==2.15.1 qkeras==0.9.0 'setuptools<70' pyparsing
	touch $@

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python $(PIP) --constraint constraints.txt --editable .
	touch $@

$(TOOLS): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python $(PIP) --constraint constraints.txt --editable '.[$(TEST_EXTRAS)]' $(GROUPS)
	touch $@ $(RUNTIME)
