# shellcheck shell=bash
# The rows of the table for Windows: the library, what is installed of it, and its tests, under wine. Sourced by portability.sh,
# whose variables and functions it uses.

# What a user on Windows builds with: the libraries by CMake, installed, and programs of another project with them. They are
# those that the tests have, not optimised: that takes minutes, and nothing of it is looked at here.
package() { # TARGET
    local built run good bad
    built=$(step windows-package 900 "cmake -S . -B /target/cmake --toolchain cmake/mingw-w64.cmake -DASYNCGUEST_CARGO_TARGET_DIR=/target \
        -DASYNCGUEST_CARGO_PROFILE=dev -DASYNCGUEST_CARGO_FLAGS=$std -DASYNCGUEST_BUILD_CPP_TESTS=OFF && cmake --build /target/cmake")
    run=$(step windows-install 300 "ctest --test-dir /target/cmake --output-on-failure")
    read -r bad good <<<"$(sed -n 's/.*tests passed, \([0-9]*\) tests failed out of \([0-9]*\).*/\1 \2/p' "$logs/windows-install.log")"
    row "$1, CMake" - "$built" - "$run" $((${good:-0} - ${bad:-0})) "${bad:-0}"
}

# The Node add-on, compiled and linked by its own CMake files: nobody runs it.
node_addon() { # TARGET
    local headers=bindings/node/node_modules/node-api-headers
    [ -e "$headers" ] || (cd bindings/node && npm ci --ignore-scripts --no-audit --no-fund) >"$logs/node-headers.log" 2>&1
    if [ ! -e "$headers" ]; then
        notes+=("the Node add-on: wants npm, which has Node-API's headers: see ${logs#"$root/"}/node-headers.log")
        return
    fi
    rm -rf "$chroot/node-api-headers" && cp -r "$headers" "$chroot/node-api-headers"
    row "$1, Node add-on" - "$(step windows-node 900 "cmake -S bindings/node -B /target/node --toolchain /crate/cmake/mingw-w64.cmake \
        -DNODE_API_HEADERS=/node-api-headers/include -DASYNCGUEST_CARGO_TARGET_DIR=/target -DASYNCGUEST_CARGO_PROFILE=dev \
        -DASYNCGUEST_CARGO_FLAGS=$std && cmake --build /target/node")" - - - -
    notes+=("the Node add-on: compiled and linked, not run")
}

# Adds to the counts of the row under way what a suite says in its last line. One that does not come so far has failed.
suite() { # NAME SECONDS TARGET [ARGUMENT...]
    local log=$logs/windows-$1.log good bad
    step "windows-$1" "$2" "scripts/portability/suites.sh $1 ${*:3}" >/dev/null
    read -r good bad <<<"$(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log")"
    counts=($((counts[0] + ${good:-0})) $((counts[1] + ${bad:-1})))
}

# The window that downloads, where nobody sees it, from the demo's server on this system.
example() { # TARGET
    local what value server urls=()
    command -v python3 >/dev/null || {
        notes+=("examples/cpp/fetch_win32.cpp: its server wants python3")
        return
    }
    coproc SERVER { exec python3 examples/demo/server.py --seconds 2.5; }
    server=$SERVER_PID
    while read -r -u "${SERVER[0]}" what value && [ "$what" != ready ]; do
        [ "$what" != url ] || urls+=("'$value'")
    done
    suite example 600 "$1" "${urls[@]}"
    kill "$server" 2>/dev/null
}

windows() {
    local target=x86_64-pc-windows-gnu built linked run=ok counts
    # One Windows for all programs: else each starts it anew, which takes longer than most of them. Its services keep what the first
    # program has for its output, and whoever reads that would wait for them.
    inside 120 "wineserver -p && wine cmd /c exit" >/dev/null 2>&1
    # First with what makes a panic on purpose, under another name.
    built=$(step windows-build 1500 "cargo build $std --target $target --features test-hooks &&
        cp /target/$target/debug/libasyncguest.a /target/$target/debug/libasyncguest_hooks.a && cargo build $std --target $target")
    package $target
    node_addon $target
    linked=$(step windows-link 300 "scripts/portability/suites.sh link $target")
    read -r -a counts <<<"$(tests windows-tests $target 1500 "--lib --test guest --test memory")"
    suite programs 2400 $target
    suite c 1800 $target
    suite cpp 1800 $target
    example $target
    [ "${counts[1]}" = 0 ] || run=FAIL
    row "$target" "$built" "$built" "$linked" $run "${counts[@]}"
    inbox $target
    left_out
}

# The form for systems whose ports cannot be waited for.
inbox() { # TARGET
    local counts run=ok
    read -r -a counts <<<"$(tests windows-inbox "$1" 1200 \
        "--lib --test guest -Zprofile-rustflags --config 'profile.dev.package.asyncguest.rustflags=[\"--cfg\",\"asyncguest_inbox\"]'" \
        "--skip drives:: --skip ended:: --skip own_work:: --skip _fd --skip pull_every_kind --skip work_closed_and_over")"
    notes+=("form inbox: what waits for guest_fd, which it does not have: drives, ended, own_work, *_fd, and two more")
    [ "${counts[1]}" = 0 ] || run=FAIL
    row "$1, form inbox" - - - $run "${counts[@]}"
}

# What stands behind the cfg(unix) of a Rust test and the #ifndef _WIN32 of another one: a whole file, or the test below, and why.
left_out() {
    local note
    notes+=("tests/c/fork.c: Windows has no fork; tests/c/glib: a library of its own"
        "tests/c/listeners.c, streams.c, stream_*.c, udp.c: there are none yet, which tests/c/windows/unsupported.c sees"
        "tests/c: open fds and threads are not counted: tests/win32.c looks at handles, the library counts its threads")
    while IFS= read -r note; do notes+=("$note"); done < <(
        awk '/^#ifndef _WIN32 (\/\*|\/\/) / { reason = $0; gsub(/^#ifndef _WIN32 (\/\*|\/\/) | \*\/$/, "", reason) }
             reason && /^TEST/ { gsub(/^TEST\(|\).*/, ""); print FILENAME ": " $0 ": " reason; reason = "" }' tests/c/*.c tests/c/*.cpp tests/cpp/*.cpp
        awk '/^#!\[cfg\(unix\)\] \/\/ / { sub(/^#!\[cfg\(unix\)\] \/\/ /, ""); print FILENAME ": " $0; nextfile }
             /^#\[cfg\(unix\)\] \/\/ / { reason = $0; sub(/^#\[cfg\(unix\)\] \/\/ /, "", reason) }
             reason && /^fn / { name = $2; sub(/\(.*/, "", name); print FILENAME ": " name ": " reason; reason = "" }' tests/guest/*.rs tests/memory.rs
    )
}
