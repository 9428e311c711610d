// A guest with a scope whose tasks are ended, in each way that there is.
#ifndef VICTIM_HPP
#define VICTIM_HPP

#include "frames.hpp"
#include "strangers.hpp"

// The ways to end a task; each takes what it ends with it.
struct victim {
    std::unique_ptr<guest> g;
    std::unique_ptr<scope> tasks;
    names log;
    event e;

    victim() : g(std::make_unique<guest>()), tasks(std::make_unique<scope>(*g)) {}
    void end(int way) {
        if (way == 0)
            tasks->cancel();
        else if (way == 1)
            tasks.reset();
        else if (way == 2)
            g.reset();
        else
            ASSERT(g->shutdown(1s));
    }
};
inline const int ways = 4;

// Awaits what `make` makes, some frames deep.
template <class F> task<> around(names &log, F make, int depth = 2) {
    mark m(log, std::to_string(depth));
    if (depth == 0)
        co_await make();
    else
        co_await around(log, std::move(make), depth - 1);
    FAIL("it was cancelled");
}

#endif
