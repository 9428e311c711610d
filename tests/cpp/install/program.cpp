// A user's program: runs a timer on an installed libasyncguest through its C++ headers.
#include <asyncguest.hpp>

#include <cstdio>

int main() {
    try {
        asyncguest::guest g;
        int fired = 0;
        auto timer = g.every(std::chrono::milliseconds(1), [&] {
            if (++fired == 3)
                g.cancel();
        });
        return g.run(std::chrono::seconds(5)) && fired == 3 ? 0 : 1;
    } catch (const asyncguest::error &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
