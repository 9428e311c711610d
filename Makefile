# The two commands of the README are `make demo` and `make test`; each sets up what it needs.
# cargo and CMake do the building: this file only names the ways in.

.PHONY: all demo test check bench clean

all:
	cargo build --release

demo:
	./scripts/setup.sh demo
	./examples/demo/run.sh

test:
	./scripts/test.sh

# What CI runs.
check:
	./.ci/run

bench:
	./scripts/setup.sh test
	./benches/run.sh

clean:
	cargo clean
	rm -rf build
