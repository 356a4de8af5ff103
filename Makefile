# Everything a clean clone needs: `make run`, `make test`, `make quick`, `make lab`. Only python3 (3.11 to 3.13), pip and make are assumed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

# Without bytecode files every process would compile torch and transformers anew (40 s instead of 15 s).
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test quick mutants lint lab notebooks docs sweep sweep-laptop soak bench lock setup

run: setup
	$(BIN)/python -m helpers run all

# Lint and types fail fast, so they come first. Then two workers with one thread each: notebooks and
# unit tests side by side.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# What is worth knowing between two edits, in under two minutes: no notebook, no training.
quick: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow" tests

# Do the tests look? Important lines are broken one by one, and a test must fail (five minutes, see tests/mutants.py).
mutants: setup
	$(BIN)/python tests/mutants.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: setup
	$(BIN)/jupyter lab --ip=127.0.0.1 notebooks

# Execute the notebooks in place, as they are committed (outputs go to a temporary folder).
notebooks: setup
	$(BIN)/python tests/notebooks/execute_notebooks.py

# The settings reference, made from the code; a test holds it against the code.
docs: setup
	$(BIN)/python -m helpers settings --markdown > docs/settings.md

# The long experiments (about four and a half hours on two cores), resumable, from a clean commit into outputs/recorded.
sweep: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m helpers sweep studies

# The same with a real language model on real text (hours, and the IIYI data set).
sweep-laptop: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m helpers sweep studies --profile laptop

# A small lab killed, damaged and out of room at random for 15 minutes: every result must come out the same.
soak: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak

bench: setup
	$(BIN)/python tests/benchmarks/bench_deltableu.py
	$(BIN)/python tests/benchmarks/bench_bertscore.py
	$(BIN)/python tests/benchmarks/bench_sft.py
	$(BIN)/python tests/benchmarks/bench_generation.py
	$(BIN)/python tests/benchmarks/bench_images.py
	$(BIN)/python tests/benchmarks/bench_decoding.py
	$(BIN)/python tests/benchmarks/bench_captioning.py
	$(BIN)/python tests/benchmarks/bench_files.py
	$(BIN)/python tests/benchmarks/bench_vision_sft.py
	$(BIN)/python tests/benchmarks/bench_classifier.py
	$(BIN)/python tests/benchmarks/bench_stages.py

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade uv
	$(BIN)/uv pip sync --python $(BIN)/python --quiet --compile-bytecode --require-hashes requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --editable .
	touch $@

# Pin all versions anew, for every platform and Python 3.11 to 3.13, each file by its hash: `setup` installs no other.
lock:
	test -x $(BIN)/uv || ($(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv)
	$(BIN)/uv pip compile pyproject.toml --extra test --group weights --universal --python-version 3.11 --upgrade --quiet --generate-hashes \
		--custom-compile-command "make lock" --output-file requirements.lock
