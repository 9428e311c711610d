// Hazards of coroutine types that know nothing of the library: what runs in one ends the task that awaits it, which owns
// it, and which seems to wait. Nothing is freed before it waits itself; whatever else is ended is gone at once.
#include "allocations.hpp"
#include "victim.hpp"

#include <algorithm>
#include <optional>

struct thrown : std::runtime_error {
    explicit thrown(const char *what) : std::runtime_error(what) {}
};

// Waits for what `wait` makes, and then ends the one that awaits it; goes on to the next wait.
template <class Type, class F> static Type ending(victim &v, int way, guest &clock, F wait) {
    mark m(v.log, "ending");
    std::string text(100, 'x');
    co_await wait(clock);
    v.end(way);
    v.log.push_back(text.substr(0, 1));
    co_await std::suspend_never();
    v.log.push_back("not yet");
    co_await std::suspend_always();
    FAIL("it is gone");
}

static const names in_order{"x", "not yet", "ending", "0", "1", "2"};
static const auto napping = [](guest &g) { return g.sleep(0ms); };

// Whether the guest lives on or ends with the task, and whether the delivery is its own or another's.
template <class Type> static void ends_who_awaits_it(bool own) {
    for (int way = 0; way < (own ? 3 : ways); way++) { // no shutdown() inside a delivery
        victim v;
        guest other;
        guest &clock = own ? *v.g : other;
        tally on_end;
        auto make = [&] { return ending<Type>(v, way, clock, napping); };
        v.tasks->spawn(around(v.log, make), counting(on_end));
        run_until(clock, [&] { return !v.log.empty(); });
        ASSERT(v.log == in_order);
        ASSERT_TALLY(0, 1, on_end);
    }
}

TEST(coroutines_that_end_who_awaits_them) {
    ends_who_awaits_it<lazy>(true);
    ends_who_awaits_it<lazy>(false);
    ends_who_awaits_it<eager>(true);
    ends_who_awaits_it<eager>(false);
}

template <class F> static void after(F wait) {
    victim v;
    auto make = [&] { return ending<lazy>(v, 0, *v.g, wait); };
    v.tasks->spawn(around(v.log, make));
    run_until(*v.g, [&] { return !v.log.empty(); });
    ASSERT(v.log == in_order);
}

TEST(coroutines_that_end_it_after_each_kind_of_wait) {
    channel pipe;
    pipe.write();
    after([&](guest &g) { return g.readable(pipe.in); });
    after([&](guest &g) { return g.writable(pipe.out); });
    after([](guest &g) { return g.work([] {}); });
    after([](guest &g) { return g.resolve("127.0.0.1", 80); });
    after([](guest &g) { return g.child(ending_child(0)); });
    after([](guest &g) { return [](guest &g) -> task<> { co_await g.sleep(0ms); }(g); });
    after([](guest &g) { return when_all([](guest &g) -> task<> { co_await g.sleep(0ms); }(g)); });
    after([](guest &g) { return [](guest &g) -> lazy { co_await g.sleep(0ms); }(g); });
    after([](guest &g) { // of ours, of another type, of ours
        return [](guest &g) -> task<> {
            co_await [](guest &g) -> lazy { co_await [](guest &g) -> task<> { co_await g.sleep(0ms); }(g); }(g);
        }(g);
    });
}

// It has not waited yet: the task is still about to.
TEST(coroutines_that_end_it_at_once) {
    for (int way = 0; way < ways; way++) {
        victim v;
        auto make = [&] { return ending<lazy>(v, way, *v.g, [](guest &) { return std::suspend_never(); }); };
        v.tasks->spawn(around(v.log, make));
        ASSERT(v.log == in_order);
    }
}

// A task that it awaits does it, resumed by an event and no delivery; or a coroutine that this one awaits.
TEST(coroutines_whose_tasks_end_it) {
    for (int way = 0; way < ways; way++) {
        victim v;
        auto inner = [](victim &v, int way) -> task<> {
            mark m(v.log, "inner");
            co_await v.e;
            v.end(way);
            v.log.push_back("x");
            co_await std::suspend_always();
        };
        auto outer = [](victim &v, int way, auto &inner) -> lazy {
            mark m(v.log, "outer");
            co_await inner(v, way);
        };
        v.tasks->spawn(around(v.log, [&] { return outer(v, way, inner); }));
        v.e.set();
        ASSERT((v.log == names{"x", "inner", "outer", "0", "1", "2"}));
    }
    for (int way = 0; way < 3; way++) {
        victim v;
        auto inner = [](victim &v, int way) -> task<> { co_await ending<lazy>(v, way, *v.g, napping); };
        auto outer = [](victim &v, int way, auto &inner) -> lazy {
            mark m(v.log, "outer");
            co_await when_all(inner(v, way), [](event &e) -> task<> { co_await tidy{e}; }(v.e));
        };
        v.tasks->spawn(around(v.log, [&] { return outer(v, way, inner); }));
        run_until(*v.g, [&] { return !v.log.empty(); });
        ASSERT((v.log == names{"x", "not yet", "ending", "outer", "0", "1", "2"}));
    }
}

// The task does not go on when what it awaits has ended, nor when another of its parts is resumed.
TEST(coroutines_that_end_it_and_return) {
    victim v;
    tally on_end;
    event side;
    auto returning = [](victim &v, event &side) -> lazy {
        co_await v.g->sleep(0ms);
        v.tasks->cancel();
        v.tasks->cancel();
        side.set();
        ASSERT(v.log.empty());
        v.tasks.reset();
        v.g->cancel();
    };
    auto part = [](names &log, event &side) -> task<> {
        mark m(log, "part");
        co_await side;
        FAIL("it was cancelled");
    };
    auto all = [](victim &v, event &side, auto &returning, auto &part) -> task<> {
        co_await when_all(around(v.log, [&] { return returning(v, side); }), part(v.log, side));
        FAIL("it was cancelled");
    };
    v.tasks->spawn(all(v, side, returning, part), counting(on_end));
    ASSERT(v.g->run(10s));
    std::sort(v.log.begin(), v.log.end());
    ASSERT((v.log == names{"0", "1", "2", "part"}));
    ASSERT_TALLY(0, 1, on_end);
}

// What the coroutine throws leaves the delivery, what the task throws the next one; nothing is lost or thrown twice.
TEST(coroutines_that_end_it_and_throw) {
    victim v;
    auto next = [&] {
        try {
            v.g->run(60s);
        } catch (const thrown &e) {
            return std::string(e.what());
        }
        return std::string();
    };
    auto failing = [](victim &v) -> lazy {
        co_await v.g->sleep(0ms);
        v.tasks->cancel();
        throw thrown("coroutine");
    };
    v.tasks->spawn(around(v.log, [&] { return failing(v); }));
    ASSERT_EQ_STR("coroutine", next().c_str());
    ASSERT(v.log == inner_first);

    auto returning = [](victim &v) -> lazy { co_await v.g->sleep(0ms); };
    auto task_fails = [](victim &v, auto &returning) -> task<> {
        co_await returning(v);
        throw thrown("task");
    };
    v.tasks->spawn(task_fails(v, returning));
    ASSERT_EQ_STR("task", next().c_str());
    ASSERT(v.tasks->empty());

    auto resuming = [](victim &v) -> eager {
        co_await v.g->sleep(0ms);
        v.e.set();
        v.log.push_back("resumed");
        throw thrown("coroutine");
    };
    auto both_fail = [](victim &v, std::optional<eager> &held, auto &resuming) -> task<> {
        held.emplace(resuming(v));
        co_await v.e;
        throw thrown("task");
    };
    std::optional<eager> held; // not the task's own: the task is over before it is
    v.log.clear();
    v.tasks->spawn(both_fail(v, held, resuming));
    std::string first = next();
    ASSERT_EQ_STR("coroutine", first.c_str());
    ASSERT_EQ_STR("task", next().c_str());
    ASSERT(v.log == names{"resumed"});
    ASSERT(v.tasks->empty());
    v.g->cancel();
    ASSERT_EQ_STR("", next().c_str());
}

// Resumed by an event, it is nobody's that the library would know; so it posts the cancel.
TEST(coroutines_that_post_the_cancel) {
    victim v;
    auto posting = [](victim &v) -> lazy {
        mark m(v.log, "posting");
        co_await v.e;
        v.g->post([&v] { v.tasks->cancel(); });
        v.log.push_back("goes on");
        co_await v.g->sleep(1h);
    };
    v.tasks->spawn(around(v.log, [&] { return posting(v); }));
    v.e.set();
    ASSERT(v.log == names{"goes on"});
    ASSERT_OK(v.g->deliver());
    ASSERT((v.log == names{"goes on", "posting", "0", "1", "2"}));
}

// The task is one of a scope inside another task, and both are ended.
TEST(coroutines_that_end_who_owns_the_scope) {
    for (int way = 0; way < 3; way++) {
        victim v;
        auto owner = [](victim &v, int way) -> task<> {
            mark m(v.log, "owner");
            scope inner(*v.g);
            inner.spawn(around(v.log, [&v, way] { return ending<lazy>(v, way, *v.g, napping); }));
            co_await tidy{v.e};
            FAIL("it was cancelled");
        };
        v.tasks->spawn(owner(v, way));
        run_until(*v.g, [&] { return !v.log.empty(); });
        if (way == 2) // inside its own delivery, when that returns
            ASSERT((v.log == names{"x", "not yet", "ending", "0", "1", "2", "owner"}) ||
                   (v.log == names{"x", "not yet", "owner", "ending", "0", "1", "2"}));
        else
            ASSERT((v.log == names{"owner", "x", "not yet", "ending", "0", "1", "2"}));
    }
}

// A coroutine that only began inside the task outlives it; or goes on while the task is being destroyed.
TEST(coroutines_that_outlive_the_task) {
    guest g;
    scope tasks(g);
    names log;
    auto ticking = [](guest &g, scope &tasks, int end_at, int &ticks) -> detached {
        while (ticks < 4) {
            if (ticks++ == end_at)
                g.post([&] { tasks.cancel(); });
            co_await g.sleep(1ms);
            co_await [](guest &g) -> task<> { co_await g.sleep(0ms); }(g);
        }
        ticks++;
    };
    auto beginning = [](guest &g, names &log, scope &tasks, int end_at, int &ticks, auto &ticking) -> task<> {
        mark m(log, "gone");
        ticking(g, tasks, end_at, ticks);
        co_await g.sleep(1h);
    };
    for (int end_at = 0; end_at < 4; end_at++) {
        int ticks = 0;
        log.clear();
        tasks.spawn(beginning(g, log, tasks, end_at, ticks, ticking));
        run_until(g, [&] { return ticks == 5; });
        ASSERT(log == names{"gone"});
    }

    struct pumping {
        event &e;
        explicit pumping(event &e) : e(e) {}
        ~pumping() { e.set(); }
    };
    auto resumed = [](event &e, scope &tasks, names &log) -> lazy {
        mark m(log, "resumed");
        co_await [](event &e) -> task<> { co_await e; }(e);
        log.push_back("goes on");
        tasks.cancel();
    };
    auto destroyed = [](event &e, scope &tasks, names &log, auto &resumed) -> task<> {
        mark m(log, "gone");
        lazy began = resumed(e, tasks, log);
        began.h.resume();
        pumping last(e);
        co_await std::suspend_always();
    };
    event e;
    log.clear();
    tasks.spawn(destroyed(e, tasks, log, resumed));
    tasks.cancel();
    ASSERT((log == names{"goes on", "resumed", "gone"}));
}

TEST(coroutines_leave_nothing) {
    guest g;
    scope tasks(g);
    int before = 0;
    auto naps = [](guest &g, scope &tasks, bool cancels) -> lazy {
        co_await g.sleep(0ms);
        co_await [](guest &g) -> task<> { co_await g.sleep(0ms); }(g);
        if (cancels)
            tasks.cancel();
    };
    auto work = [](guest &g, scope &tasks, bool cancels, auto &naps) -> task<> { co_await naps(g, tasks, cancels); };
    for (int round = 0; round < 100; round++) {
        if (round == 2) // after what is made once
            before = allocations_alive;
        tasks.spawn(work(g, tasks, round % 2, naps));
        run_until(g, [&] { return tasks.empty(); });
    }
    ASSERT_EQ_I64(before, allocations_alive);
}
