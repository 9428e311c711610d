// What the coroutine tests share: frames that tell of their end. Host thread.
#ifndef FRAMES_HPP
#define FRAMES_HPP

#include "loops.hpp"

using asyncguest::scope;
using asyncguest::task;
using asyncguest::when_all;

// Writes its name into a list when it is destroyed, and insists on the host thread.
struct mark {
    std::vector<std::string> &log;
    std::string name;
    std::thread::id thread = std::this_thread::get_id();

    mark(std::vector<std::string> &log, std::string name) : log(log), name(std::move(name)) {}
    mark(const mark &) = delete;
    ~mark() {
        if (std::this_thread::get_id() != thread)
            FAIL("a frame was destroyed on another thread");
        log.push_back(name);
    }
};

using names = std::vector<std::string>;

// Waits for ever, three frames deep.
inline task<> waiting(guest &g, names &log, int depth = 2) {
    mark m(log, std::to_string(depth));
    if (depth == 0)
        co_await g.sleep(1h);
    else
        co_await waiting(g, log, depth - 1);
    FAIL("an hour has passed");
}

inline const names inner_first{"0", "1", "2"};

#endif
