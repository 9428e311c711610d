// Hazards of awaitables that know nothing of the library: those who wait for the one that they resumed are forgotten;
// they resume too early, or from code through which no exception may pass; stacks that grow.
#include "allocations.hpp"
#include "frames.hpp"
#include "strangers.hpp"

struct thrown : std::runtime_error {
    thrown() : std::runtime_error("from a task") {}
};

static task<int> after_event(event &e, names &log, int depth) {
    mark m(log, std::to_string(depth));
    if (depth == 0)
        co_await e;
    else
        depth += co_await after_event(e, log, depth - 1);
    co_return depth;
}

TEST(foreign_events_resume_who_waits_behind) {
    names log;
    event e;
    guest g;
    scope tasks(g);
    int sum = 0, ends = 0;
    g.spawn(after_event(e, log, 3), [&](outcome<int> came) { sum = came.get(); });
    auto t = g.after(0ms, [&] { e.set(); });
    run_until(g, [&] { return sum; });
    ASSERT_EQ_I64(6, sum);
    ASSERT((log == names{"0", "1", "2", "3"}));

    e.is_set = false;
    tasks.spawn(after_event(e, log, 3), [&] { ends++; });
    e.set(); // no delivery is on the stack
    ASSERT_EQ_I64(1, ends);
    ASSERT(tasks.empty());
    g.spawn(after_event(e, log, 3), [&] { ends++; }); // it does not wait
    ASSERT_EQ_I64(2, ends);
}

TEST(foreign_events_inside_when_all) {
    names log;
    event first, second, third;
    guest g;
    auto work = [](event &first, event &second, event &third, names &log) -> task<> {
        auto [a, b] = co_await when_all(after_event(first, log, 1), after_event(second, log, 0));
        ASSERT(a == 1 && b == 0);
        std::vector<task<>> more;
        for (int i = 0; i < 3; i++)
            more.push_back([](event &e) -> task<> { co_await e; }(i == 1 ? third : first));
        co_await when_all(std::move(more));
        log.push_back("all");
    };
    g.spawn(work(first, second, third, log));
    second.set();
    ASSERT(log == names{"0"});
    first.set();
    ASSERT((log == names{"0", "0", "1"}));
    third.set();
    ASSERT_EQ_STR("all", log.back().c_str());
}

// One part of a task lets another one go on, from within.
TEST(foreign_events_between_parts) {
    names log;
    event ping, pong;
    guest g;
    auto one = [](event &ping, event &pong, names &log) -> task<> {
        co_await ping;
        log.push_back("ping");
        pong.set();
        log.push_back("after pong");
    };
    auto two = [](event &ping, event &pong, names &log) -> task<> {
        ping.set();
        log.push_back("after ping");
        co_await pong;
        log.push_back("pong");
    };
    auto both = [&](event &ping, event &pong, names &log) -> task<> {
        co_await when_all(one(ping, pong, log), two(ping, pong, log));
        log.push_back("both");
    };
    g.spawn(both(ping, pong, log));
    ASSERT((log == names{"ping", "after pong", "after ping", "pong", "both"}));
}

// Each shape that an awaiter may have, in a loop that never waits: the stack does not grow.
struct resumes_at_once {
    int value;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const { h.resume(); }
    int await_resume() const noexcept { return value; }
};

struct changes_its_mind {
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
    std::unique_ptr<int> await_resume() const { return std::make_unique<int>(1); }
};

struct hands_back {
    bool await_ready() const noexcept { return false; }
    template <class P> std::coroutine_handle<P> await_suspend(std::coroutine_handle<P> h) const noexcept { return h; }
    void await_resume() const noexcept {}
};

struct by_member {
    resumes_at_once operator co_await() const noexcept { return {1}; }
};

struct by_function {};
[[maybe_unused]] static resumes_at_once operator co_await(const by_function &) noexcept {
    return {1};
}

struct by_our_own {
    guest &g;
    auto operator co_await() const { return g.sleep(0ms); }
};

TEST(foreign_awaiters_of_every_shape) {
    guest g;
    int sum = 0;
    auto work = [](guest &g, int &sum) -> task<> {
        for (int i = 0; i < 200000; i++) {
            sum += co_await resumes_at_once{1};
            sum += *co_await changes_its_mind();
            co_await hands_back();
            sum += co_await by_member();
            sum += co_await by_function();
            co_await std::suspend_never();
        }
        co_await by_our_own{g};
        by_our_own named{g};
        co_await named;
    };
    bool ended = false;
    g.spawn(work(g, sum), [&] { ended = true; });
    ASSERT_EQ_I64(800000, sum);
    run_until(g, [&] { return ended; });
}

static lazy lazy_nothing() {
    co_return;
}

static lazy lazy_nap(guest &g) {
    auto inner = [](guest &g) -> task<int> {
        co_await g.sleep(0ms);
        co_return 1;
    };
    ASSERT_EQ_I64(1, co_await inner(g));
    co_await g.sleep(0ms);
}

TEST(foreign_coroutines_inside_tasks) {
    guest g;
    int count = 0;
    auto work = [](guest &g, int &count) -> task<> {
        for (; count < 200000; count++)
            co_await lazy_nothing();
        co_await when_all([](guest &g) -> task<> { co_await lazy_nap(g); }(g), [](guest &g) -> task<> { co_await lazy_nap(g); }(g));
        count++;
    };
    g.spawn(work(g, count));
    ASSERT_EQ_I64(200000, count);
    run_until(g, [&] { return count == 200001; });
}

TEST(foreign_coroutines_around_tasks) {
    guest g;
    event e;
    int count = 0;
    auto waiting = [](event &e) -> task<> { co_await e; };
    auto work = [](auto &waiting, event &e, int &count) -> detached {
        for (; count < 200000; count++)
            co_await []() -> task<> { co_return; }();
        co_await waiting(e);
        count++;
        std::vector<task<>> two;
        e.is_set = false;
        two.push_back(waiting(e));
        co_await when_all(std::move(two));
        count++;
    };
    work(waiting, e, count);
    ASSERT_EQ_I64(200000, count);
    e.set();
    ASSERT_EQ_I64(200001, count);
    e.set();
    ASSERT_EQ_I64(200002, count);
}

// What awaitables throw comes out of the co_await.
TEST(foreign_awaiters_that_throw) {
    struct refusing {
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) const { throw thrown(); }
        void await_resume() const noexcept { FAIL("it threw"); }
    };
    struct failing : event {
        int await_resume() const { throw thrown(); }
    };
    guest g;
    failing e;
    int caught = 0;
    auto work = [](failing &e, int &caught) -> task<> {
        try {
            co_await refusing();
        } catch (const thrown &) {
            caught++;
        }
        try {
            co_await e;
        } catch (const thrown &) {
            caught++;
        }
    };
    g.spawn(work(e, caught));
    ASSERT_EQ_I64(1, caught);
    e.set();
    ASSERT_EQ_I64(2, caught);
}

// What nobody takes does not pass through the code that resumed the task: a toolkit's signal, for one.
TEST(foreign_code_meets_no_exception) {
    event e;
    auto work = [](event &e) -> task<> {
        co_await e;
        throw thrown();
    };
    auto throws = [](auto &&call) {
        try {
            call();
        } catch (const thrown &) {
            return true;
        }
        return false;
    };
    guest g;
    g.spawn(work(e));
    ASSERT(!throws([&] { e.set(); }));
    ASSERT(throws([&] { g.run(60s); }));

    int taken = 0;
    asyncguest::options options;
    options.on_exception = [&] { taken++; };
    guest taking(std::move(options));
    e.is_set = false;
    taking.spawn(work(e));
    ASSERT(!throws([&] { e.set(); }));
    ASSERT_EQ_I64(1, taken);

    auto last = std::make_unique<guest>(); // no delivery comes any more: a line on stderr
    auto ending = [](std::unique_ptr<guest> &g, event &e) -> task<> {
        co_await e;
        g.reset();
        throw thrown();
    };
    e.is_set = false;
    last->spawn(ending(last, e));
    ASSERT(!throws([&] { e.set(); }));
    ASSERT(!last);
}

// A co_await of what is not the guest's does not mind that the guest was cancelled.
TEST(foreign_waits_of_a_cancelled_guest) {
    guest g;
    names log;
    event e;
    g.spawn([](guest &g, event &e, names &log) -> task<> {
        mark m(log, "gone");
        g.cancel();
        co_await e;
        FAIL("its guest has ended");
    }(g, e, log));
    ASSERT(log.empty());
    ASSERT(g.run(10s));
    ASSERT(log == names{"gone"});
    e.set();
}

TEST(foreign_waits_leave_nothing) {
    guest g;
    scope tasks(g);
    event e;
    int before = 0;
    auto tidily = [](event &e) -> task<> { co_await tidy{e}; };
    auto plainly = [](event &e) -> task<> { co_await e; };
    for (int round = 0; round < 100; round++) {
        if (round == 1) // after what is made once
            before = allocations_alive;
        tasks.spawn(tidily(e));
        tasks.cancel();
        tasks.spawn(tidily(e));
        e.waiter.resume();
        tasks.spawn(plainly(e));
        e.waiter.resume();
        tasks.spawn(plainly(e));
        tasks.cancel();
        e.waiter.resume(); // the event knows no better
        tasks.spawn([]() -> task<> { co_await changes_its_mind(); }());
        ASSERT(tasks.empty());
        tasks.spawn([]() -> task<> { co_await std::suspend_always(); }()); // nobody has a handle
        tasks.cancel();
    }
    ASSERT_EQ_I64(before, allocations_alive);
}
