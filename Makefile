# Everything from a fresh machine with Python >= 3.11, Rust and a C compiler: `make demo`, `make test`.
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint lint-python lint-rust test-rust bench fuzz wheel clean

BIN := .venv/bin
# cargo finds cmake in .venv, and is itself found where rustup puts it before a new login.
export PATH := $(CURDIR)/$(BIN):$(PATH):$(HOME)/.cargo/bin
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
# The tests start hundreds of processes; each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE
# Built beside the native module: libopus, which takes longest, is compiled once for all.
RUST_CHECKS := --locked --release --config tools/rust-tests.toml
# As maturin calls cargo: pyo3 and the native module would be built anew for each of the two in turn.
PYO3_CONFIG = $(firstword $(wildcard $(CURDIR)/target/maturin/pyo3-config-*.txt))
AS_MATURIN = $(if $(PYO3_CONFIG),PYO3_BUILD_EXTENSION_MODULE=1 PYO3_CONFIG_FILE=$(PYO3_CONFIG))
PYTHON_DIRS := $(foreach dir,src tests examples benchmarks tools fuzz,$(if \
    $(wildcard $(dir)/*.py $(dir)/*/*.py),$(dir)))

help:
	@echo "make demo    hear and see it work (ARGS=--play through the loudspeaker)"
	@echo "make test    everything that proves it right: lint, Rust tests, Python tests"
	@echo "make lint    only the linters and type checkers"
	@echo "make bench   every benchmark; results in out/bench-NAME.json"
	@echo "make fuzz    each parser against what a fuzzer thinks of (ARGS=\"--seconds 60 packet\")"
	@echo "make wheel   wheel and source archive in dist/"
	@echo "make clean   remove everything that was made here"

setup:
	@sh tools/setup.sh

demo: setup
	@$(BIN)/opuscule demo $(ARGS)

test: setup
	@sh tools/system-packages.sh
	@$(MAKE) --no-print-directory -j2 lint-python test-rust
	@echo "test: the Python tests (about three minutes)"
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: lint-python lint-rust

lint-python: setup
	@echo "lint: ruff, mypy and stubtest (about half a minute)"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy $(PYTHON_DIRS)
	@MYPYPATH=src $(BIN)/stubtest --allowlist tools/stubtest-allow.txt opuscule._native

lint-rust: setup
	@echo "lint: rustfmt and clippy (about half a minute from nothing)"
	@sh tools/rust-components.sh
	@cargo fmt --check
	@cargo fmt --check --manifest-path fuzz/Cargo.toml
	@$(AS_MATURIN) cargo clippy $(RUST_CHECKS) --quiet --workspace --all-targets -- -D warnings

test-rust: lint-rust
	@echo "test: the Rust tests (about a minute from nothing)"
	@cargo test $(RUST_CHECKS) --quiet --workspace --exclude opuscule-python --lib --tests

bench: setup
	@mkdir -p out
	@set -e; for file in $(wildcard benchmarks/*.py); do \
	    name=$$(basename $$file .py); \
	    case $$name in _*) continue ;; esac; \
	    echo "bench: $$name"; \
	    $(BIN)/python $$file --json out/bench-$$name.json $(ARGS); \
	done

fuzz: setup
	@$(BIN)/python fuzz/run.py $(ARGS)

wheel: setup
	@$(BIN)/maturin build --release --locked --out dist
	@$(BIN)/maturin sdist --out dist

clean:
	rm -rf .venv target dist out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f src/opuscule/_native.*.so
	find src tests examples benchmarks tools fuzz -name __pycache__ -prune -exec rm -rf {} +
