# The two commands of the README are `make demo` and `make test`; each sets up what it needs.
# cargo and CMake do the building: this file only names the ways in.

.PHONY: all demo test quick fuzz check hosts bench conformance coverage portability bare wheels clean

all:
	cargo build --release

demo:
	./scripts/setup.sh demo
	./examples/demo/run.sh

test:
	./scripts/test.sh

# The inner loop, two minutes; test is for before a push.
quick:
	./scripts/test.sh --quick

# Random calls against a model, under AddressSanitizer, until the first fault: docs/testing.md. SECONDS=60 for less.
SECONDS = 600
fuzz:
	./scripts/setup.sh quick
	./scripts/sanitizer.sh address fuzz --seconds $(SECONDS)

# What CI runs.
check:
	./.ci/run

# All hosts, each on its real toolkit: the table of what passed. HOSTS="tk gtk4" plays some of them alone.
hosts:
	./scripts/setup.sh test
	./scripts/hosts.sh $(HOSTS)

bench:
	./scripts/setup.sh test
	./benches/run.sh
	./scripts/python.sh bench

# CPython's own asyncio tests, of every interpreter found, with our loop.
conformance:
	./scripts/setup.sh test
	./scripts/python.sh conformance

# Which lines of src and of the Python package the tests run: docs/testing.md.
coverage:
	./scripts/setup.sh test
	./scripts/coverage.sh

# The library on Windows (under wine) and other systems, as far as it goes there: a table. Root on Debian.
portability:
	./scripts/portability.sh || [ $$? = 77 ]

# `make demo` and `make test` on a fresh bare Debian 12, as root; before every release.
bare:
	./scripts/bare.sh

# What is uploaded to PyPI: a wheel for each Linux and each Windows, and the sdist, in build/wheels.
wheels:
	./scripts/setup.sh quick
	./scripts/wheels.sh

clean:
	cargo clean
	rm -rf build
