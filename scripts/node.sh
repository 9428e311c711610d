#!/usr/bin/env bash
# The Node add-on of bindings/node and examples/electron.
#
#   scripts/node.sh build     npm ci, then CMake: build/node/asyncguest.node
#   scripts/node.sh test      build, the types, the examples, the tests, in Bun and Deno, too; rows for the table of hosts in
#                             build/hosts/node.txt
#   scripts/node.sh example   build, then the native example
#   scripts/node.sh address   build with AddressSanitizer in build/node-asan, then the tests
#
# cargo builds in target/, or ASYNCGUEST_STATICLIB names a library that is ready.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
package=$root/bindings/node
export ASYNCGUEST_NODE_BUILD=${ASYNCGUEST_NODE_BUILD:-$root/build/node}
PATH=$PATH:$HOME/.cargo/bin # as in scripts/setup.sh

install() { # DIRECTORY
    # Only when the lock file has changed: it takes seconds.
    if ! cmp -s "$1/package-lock.json" "$1/node_modules/.asyncguest-lock"; then
        (cd "$1" && npm ci --no-audit --no-fund --loglevel=error)
        cp "$1/package-lock.json" "$1/node_modules/.asyncguest-lock"
    fi
}

build() {
    install "$package"
    (cd "$package" && node build.js)
    export ASYNCGUEST_NODE_ADDON=$ASYNCGUEST_NODE_BUILD/asyncguest.node
}

example() {
    node "$package/examples/native/run.js"
}

for command in node npm cmake; do
    if ! command -v "$command" >/dev/null; then
        echo "node.sh: $command is missing; scripts/setup.sh test installs it" >&2
        exit 1
    fi
done
case ${1:-} in
    build) build ;;
    test)
        build
        if [ "$(uname -sm)" = "Linux x86_64" ]; then
            install "$package/test/runtimes" # Bun and Deno, for glibc
        fi
        (cd "$package" && node node_modules/typescript/bin/tsc --noEmit -p test) &
        types=$!
        node --test examples/electron/test >"$ASYNCGUEST_NODE_BUILD/electron.log" 2>&1 || {
            cat "$ASYNCGUEST_NODE_BUILD/electron.log"
            exit 1
        }
        example
        wait "$types"
        node "$package/test/run.js"
        ;;
    example)
        build
        example
        ;;
    address)
        export ASYNCGUEST_NODE_BUILD=$root/build/node-asan ASYNCGUEST_NODE_SANITIZE=1
        build
        nm "$ASYNCGUEST_NODE_ADDON" | grep __asan_init >/dev/null # not -q: it would end nm by SIGPIPE
        # Node frees little at its end: leaks are what test/memory.test.js counts.
        export LD_PRELOAD ASAN_OPTIONS=detect_leaks=0:new_delete_type_mismatch=0
        LD_PRELOAD=$(${CC:-cc} -print-file-name=libasan.so)
        node "$package/test/run.js" lifetime misuse memory native sockets resolve workers exceptions scheduling
        ;;
    *)
        echo "usage: scripts/node.sh build|test|example|address" >&2
        exit 2
        ;;
esac
