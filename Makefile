# Two commands for newcomers: `make demo` and `make test`. Each sets up what it needs in .venv, once; after that both work offline.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# --without-pip: slim Debian images have no ensurepip; the outer pip installs into the environment instead.
INSTALL := $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check install --quiet --root-user-action=ignore

# Tests start hundreds of processes, which would each compile the same again where the environment forbids to keep it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test long check judged prove bench mutants conform lock clean

# The whole service on this machine; Ctrl-C ends it, or DEMO_SECONDS=60 does.
demo: $(VENV)/.runtime
	@$(BIN)/tieout demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

# Four at a time on two cores: many tests wait for real time, as what they test does.
# What judges money is measured by its own tests alone: to trace the others takes twice their time, and shows nothing more.
JUDGES := $(addprefix tests/,model compare explain decide observe identity)
test: $(VENV)/.develop browser
	@$(MAKE) --no-print-directory -j 2 -O check judged
	$(BIN)/python -m pytest -n 4 --dist loadgroup -m "not long" $(addprefix --ignore=,$(JUDGES)) tests

# What takes as long as hundreds of others: processes that are killed, outages, walks through all that may be told.
long: $(VENV)/.develop
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m long tests

judged: $(VENV)/.develop
	$(BIN)/python -m pytest -n 2 --cov --cov-report= $(JUDGES)
	$(BIN)/python tests/coverage_gate.py

check: $(VENV)/.develop
	$(BIN)/ruff format --check src tests
	$(BIN)/ruff check src tests
	$(BIN)/mypy

# The pages are looked at with Debian's browser; where it is lacking and may not be installed, their tests say so and skip.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || { apt-get update && apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1 || true

# Hours of proof: interrupted, it goes on where it was, for as long as the source is the same.
prove: $(VENV)/.develop
	TIEOUT_PROVE=1 $(BIN)/python -m pytest -m prove -rP tests
	$(BIN)/python -m tests.record.attacks
	$(BIN)/python -m tests.record.flips 500

bench: $(VENV)/.develop
	$(BIN)/python tests/bench/run.py

# What no test notices when it is changed: an hour a folder. `make mutants FOLDER=decide MODULE=limits` takes minutes.
FOLDER ?= explain
MODULE ?= *
mutants: $(VENV)/.develop
	nice -n 19 $(BIN)/python tests/mutation/run.py $(FOLDER) --module "$(MODULE)"

# Needs recorded answers and incidents that are other people's data and live beside the checkout, never in it.
conform: $(VENV)/.develop
	$(BIN)/python tests/conform/run.py ../shared

lock: # refresh the pinned requirements; `uv` must be on the path
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra service --extra brokers --extra live --group build pyproject.toml -o requirements.txt
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --all-extras --group dev pyproject.toml -o requirements-dev.txt
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra service --extra brokers --extra ib --extra statements --extra timestamps --extra traces --extra oidc --group build pyproject.toml -o deploy/docker/requirements.txt

clean:
	rm -rf $(VENV) .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-output

$(BIN)/python:
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/.runtime: $(BIN)/python requirements.txt pyproject.toml
	@test -e $(VENV)/.develop || echo "Setting up .venv, once: about a hundred and fifty megabytes are fetched, which takes a minute or two ..."
	@test -e $(VENV)/.develop || $(INSTALL) --require-hashes -r requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.develop: $(BIN)/python requirements-dev.txt pyproject.toml
	$(INSTALL) --no-compile --require-hashes -r requirements-dev.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	touch $@ $(VENV)/.runtime
