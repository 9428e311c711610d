// Hazards of what a task is given: parameters and locals that live on when the task has returned, so that a pipe stays
// open and who reads it hangs.
#include "frames.hpp"
#include "strangers.hpp"

struct thrown {};

// A parameter that tells of its end.
struct token {
    names *log;
    const char *name;

    token(names &log, const char *name) : log(&log), name(name) {}
    token(token &&other) noexcept : log(std::exchange(other.log, nullptr)), name(other.name) {}
    token &operator=(token &&) = delete;
    ~token() {
        if (log)
            log->push_back(name);
    }
};

static task<> returns(guest &g, names &log, [[maybe_unused]] token t, bool throws = false) {
    co_await g.sleep(0ms);
    log.push_back("returns");
    if (throws)
        throw thrown();
}

static task<> longer(guest &g, names &log) {
    for (int i = 0; i < 5; i++)
        co_await g.sleep(0ms);
    log.push_back("longer");
}

TEST(parameters_end_before_their_siblings) {
    names log;
    guest g;
    auto all = [](guest &g, names &log) -> task<> {
        co_await when_all(returns(g, log, token(log, "pipe")), longer(g, log));
        log.push_back("all");
        std::vector<task<>> tasks;
        tasks.push_back(returns(g, log, token(log, "pipe")));
        tasks.push_back(longer(g, log));
        co_await when_all(std::move(tasks));
        log.push_back("all");
        try {
            co_await when_all(returns(g, log, token(log, "pipe"), true), longer(g, log));
        } catch (thrown) {
            log.push_back("all");
        }
    };
    g.spawn(all(g, log));
    run_until(g, [&] { return log.size() == 12; });
    for (size_t i = 0; i < 12; i += 4)
        ASSERT((names(log.begin() + long(i), log.begin() + long(i) + 4) == names{"returns", "pipe", "longer", "all"}));
}

// Before the one that awaits goes on, however much of its expression is left.
TEST(parameters_end_before_their_awaiter_goes_on) {
    names log;
    guest g;
    auto number = [](guest &g, [[maybe_unused]] token t, bool throws) -> task<int> {
        co_await g.sleep(0ms);
        if (throws)
            throw thrown();
        co_return 1;
    };
    auto told = [](names &log, int n) {
        log.push_back("goes on");
        return n;
    };
    auto sum = [](guest &g, names &log, auto &number, auto &told) -> task<> {
        int one = told(log, co_await number(g, token(log, "a"), false));
        ASSERT_EQ_I64(1, one);
        struct catching {
            names &log;
            explicit catching(names &log) : log(log) {}
            ~catching() { log.push_back("unwinds"); }
        };
        try {
            catching local(log);
            co_await number(g, token(log, "b"), true);
        } catch (thrown) {
            log.push_back("caught");
        }
    };
    g.spawn(sum(g, log, number, told));
    run_until(g, [&] { return log.size() == 5; });
    ASSERT((log == names{"a", "goes on", "b", "unwinds", "caught"}));
}

TEST(parameters_end_before_on_end) {
    names log;
    guest g;
    scope tasks(g);
    for (bool throws : {false, true}) {
        log.clear();
        g.spawn(returns(g, log, token(log, "pipe"), throws), [&] { log.push_back("on_end"); });
        run_until(g, [&] { return log.size() == 3; });
        ASSERT((log == names{"returns", "pipe", "on_end"}));
        log.clear();
        tasks.spawn(returns(g, log, token(log, "pipe"), throws), [&] { log.push_back("on_end"); });
        run_until(g, [&] { return tasks.empty(); });
        ASSERT((log == names{"returns", "pipe", "on_end"}));
    }
}

// Also in coroutines of other types.
TEST(parameters_end_in_foreign_coroutines) {
    names log;
    guest g;
    auto all = [](guest &g, names &log) -> detached {
        co_await when_all(returns(g, log, token(log, "pipe")), longer(g, log));
        log.push_back("all");
        co_await returns(g, log, token(log, "pipe"));
        log.push_back("end");
    };
    all(g, log);
    run_until(g, [&] { return log.size() == 7; });
    ASSERT((log == names{"returns", "pipe", "longer", "all", "returns", "pipe", "end"}));
}

// The end of a parameter may end its task, or let a sibling go on.
TEST(parameters_that_do_things_at_their_end) {
    names log;
    event e;
    guest g;
    auto tasks = std::make_unique<scope>(g);
    struct doing {
        std::function<void()> f;
        explicit doing(std::function<void()> f) : f(std::move(f)) {}
        doing(doing &&other) noexcept : f(std::exchange(other.f, nullptr)) {}
        ~doing() {
            if (f)
                f();
        }
    };
    auto first = [](guest &g, [[maybe_unused]] doing d) -> task<> { co_await g.sleep(0ms); };
    auto second = [](event &e, names &log) -> task<> {
        co_await e;
        log.push_back("second");
    };
    auto all = [](guest &g, event &e, names &log, auto &first, auto &second, std::unique_ptr<scope> &tasks) -> task<> {
        mark m(log, "all");
        auto resuming = [&] {
            e.set();
            log.push_back("set");
        };
        co_await when_all(first(g, doing(resuming)), second(e, log));
        log.push_back("first");
        co_await first(g, doing([&] { tasks.reset(); }));
        log.push_back("goes on"); // up to the next wait
        co_await g.sleep(0ms);
        FAIL("it was cancelled");
    };
    tasks->spawn(all(g, e, log, first, second, tasks));
    run_until(g, [&] { return log.size() == 5; });
    ASSERT((log == names{"second", "set", "first", "goes on", "all"}));
}

// A pipe's writer by value: its reader sees the end although the writer's sibling goes on.
TEST(parameters_that_are_pipes) {
    guest g;
    channel pipe;
    auto writer = [](guest &g, std::unique_ptr<int, void (*)(int *)> out) -> task<> {
        co_await g.writable(*out);
        MUST(write(*out, "x", 1));
    };
    auto reader = [](guest &g, int in) -> task<> {
        char byte;
        do
            co_await g.readable(in);
        while (read(in, &byte, 1) != 0);
    };
    std::unique_ptr<int, void (*)(int *)> out(&pipe.out, [](int *fd) { close(std::exchange(*fd, -1)); });
    bool ended = false;
    auto both = [&](std::unique_ptr<int, void (*)(int *)> out) -> task<> {
        co_await when_all(writer(g, std::move(out)), reader(g, pipe.in));
    };
    g.spawn(both(std::move(out)), [&] { ended = true; });
    run_until(g, [&] { return ended; });
}
