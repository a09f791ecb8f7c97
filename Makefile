# One command each; every one sets up what it needs.
.PHONY: demo faults test test-unit test-property test-computed test-simulation test-mutation test-integration test-contract test-e2e test-planned mutants lint bench footprint clean

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready

# uv comes from PyPI by pip, then installs exactly what uv.lock says.
$(READY): pyproject.toml uv.lock
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	test -x $(VENV)/bin/uv || $(VENV)/bin/pip install --quiet uv
	$(VENV)/bin/uv sync --quiet --frozen
	touch $(READY)

demo: $(READY)  ## 1 -> 3 -> 1 members under WordPress and load, on a real Swarm made on this machine. KEEP=1 leaves it up.
	$(VENV)/bin/python -m galera_operator.demo

faults: $(READY)  ## Every fault of tests/e2e/faults on a real Swarm under load, and a table: build/faults.md.
	$(VENV)/bin/pytest tests/e2e/test_faults.py

test: lint test-unit test-property test-integration  ## What CI runs. Beside it: test-contract, test-planned, faults, mutants.
	$(MAKE) --jobs 2 --output-sync=target test-e2e test-computed

# Pure computing, with the processor time that others leave: the end-to-end tests wait more than half of the time.
test-computed: $(READY)
	chrt --idle 0 $(MAKE) test-mutation test-simulation

test-unit: $(READY)
	$(VENV)/bin/pytest -n 2 tests/unit

test-property: $(READY)
	$(VENV)/bin/pytest -n 2 tests/property

test-simulation: $(READY)  ## At night: .venv/bin/galera-operator sim run --histories 1000000 --processes $$(nproc)
	$(VENV)/bin/pytest -s tests/simulation/test_batch.py  # takes every core by itself
	$(VENV)/bin/pytest -n 2 tests/simulation --ignore=tests/simulation/test_batch.py

test-mutation: $(READY)  ## Each safety condition of the rules removed in turn: a unit test has to fail.
	$(VENV)/bin/python tests/mutation/check.py --fast

mutants: $(READY)  ## The same with every unit test, property tests and simulated histories.
	$(VENV)/bin/python tests/mutation/check.py --histories 300

test-integration: $(READY)
	$(VENV)/bin/python -m galera_operator.sandbox.packages mariadb haproxy prometheus chromium
	$(VENV)/bin/pytest -n 3 tests/integration tests/browser  # they wait more than they compute

test-contract: $(READY)  ## The simulator and the real Swarm and MariaDB answer the same questions alike.
	$(VENV)/bin/python -m galera_operator.sandbox.packages mariadb
	$(VENV)/bin/pytest tests/contract

# What takes longer than CI may: real clusters under load, for minutes each.
PLANNED := $(addprefix tests/e2e/test_,restart.py writer.py runbooks.py monitoring.py)

test-e2e: $(READY)
	$(VENV)/bin/pytest --durations=10 tests/e2e $(addprefix --ignore=,tests/e2e/test_faults.py $(PLANNED))

test-planned: $(READY)  ## Restarts, updates, moves of the writer, every runbook, every alert: on a real Swarm under load, 40 min.
	$(VENV)/bin/python -m galera_operator.sandbox.packages chromium
	$(VENV)/bin/pytest $(PLANNED)

lint: $(READY)
	$(VENV)/bin/ruff check operator tests
	$(VENV)/bin/ruff format --check operator tests
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# ONLY="operator kill-writer": systems, scenarios and figures by name; without it all, about 20 min. Quiet machine, please.
bench: $(READY)  ## The same load and scenarios on this operator and on what people run today: build/bench/results.md.
	$(VENV)/bin/python -m galera_operator.sandbox.packages bench haproxy
	PYTHONPATH=tests/bench:tests/e2e $(VENV)/bin/python -m galera_bench $(ONLY)

footprint: $(READY)  ## What the operator itself costs, beside 1 to 1,000 simulated clusters behind real sockets. 5 min.
	PYTHONPATH=tests/bench:tests/e2e:tests/simulation $(VENV)/bin/python -m galera_bench.footprint --out build/bench

clean:
	test ! -x $(VENV)/bin/galera-operator || $(VENV)/bin/galera-operator sandbox down --purge
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .hypothesis
