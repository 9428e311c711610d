// Hazards of dialogs that coroutine types which know nothing of the library open: in there everything may end, and what
// the dialog's coroutine belongs to must not be freed, but the rest at once.
#include "victim.hpp"

// Everything may end in a dialog that the coroutine has opened. What is beside it goes at once, and its own task, which
// is not continued any more, when it waits.
TEST(coroutines_that_open_dialogs) {
    for (int way = 0; way < 3; way++) {
        poll_host host;
        auto g = std::make_unique<guest>(host);
        auto tasks = std::make_unique<scope>(*g);
        names log;
        event side;
        auto end = [&] {
            if (way == 0)
                tasks->cancel();
            else if (way == 1)
                tasks.reset();
            else
                g->cancel();
        };
        auto opening = [](poll_host &host, guest &g, names &log, event &side, std::function<void()> end) -> lazy {
            mark m(log, "opening");
            co_await g.sleep(0ms);
            bool over = false;
            auto timer = g.after(0ms, [&] {
                end();
                over = true;
            });
            host.run_until([&] { return over; });
            if (log.empty()) // the guest's end comes with the next delivery
                host.run_until([&] { return g.done(); });
            side.set();
            log.push_back("closed");
        };
        auto beside = [](names &log, event &e) -> task<> {
            mark m(log, "beside");
            co_await e;
        };
        auto part = [](names &log, event &side) -> task<> {
            mark m(log, "part");
            co_await side;
            FAIL("it was cancelled");
        };
        auto all = [](names &log, event &side, auto make, auto &part) -> task<> {
            mark m(log, "all");
            co_await when_all(part(log, side), around(log, make, 0));
            FAIL("it was cancelled");
        };
        event other;
        tasks->spawn(beside(log, other));
        tasks->spawn(all(log, side, [&] { return opening(host, *g, log, side, end); }, part));
        host.run_until([&] { return !log.empty() && log.back() == "all"; });
        ASSERT_EQ_STR("beside", log.at(0).c_str());
        ASSERT_EQ_STR("closed", log.at(1).c_str());
        ASSERT_EQ_U64(6, log.size());
        other.set();
    }
}

// One sits in a dialog, in which the other one ends both; then the first one does the same.
TEST(coroutines_that_end_each_other) {
    poll_host host;
    guest g(host);
    scope one(g), two(g);
    names log;
    bool over = false;
    auto first = [](poll_host &host, guest &g, scope &one, scope &two, names &log, bool &over) -> lazy {
        co_await g.sleep(0ms);
        host.run_until([&] { return over; });
        two.cancel();
        one.cancel();
        log.push_back("first");
        co_await g.sleep(0ms);
        FAIL("it is gone");
    };
    auto second = [](guest &g, scope &one, scope &two, names &log, bool &over) -> lazy {
        co_await g.sleep(1ms);
        one.cancel();
        two.cancel();
        log.push_back("second");
        over = true;
        co_await g.sleep(0ms);
        FAIL("it is gone");
    };
    one.spawn(around(log, [&] { return first(host, g, one, two, log, over); }, 0));
    two.spawn(around(log, [&] { return second(g, one, two, log, over); }));
    host.run_until([&] { return log.size() == 6; });
    ASSERT((log == names{"second", "0", "1", "2", "first", "0"}));
}

// A coroutine that did not begin inside the task: that is gone when cancel() returns, whatever it waits for. In a dialog
// of the task's, what a delivery begins is not inside it.
TEST(coroutines_that_end_others) {
    poll_host host;
    guest g(host);
    scope tasks(g);
    names log;
    event e;
    bool over = false, opened = false;
    auto cancels = [](guest &g, scope &tasks, bool &when, names &log, bool &over) -> detached {
        do
            co_await g.sleep(0ms);
        while (!when);
        tasks.cancel();
        log.push_back("cancelled");
        over = true;
    };
    auto waits = [](names &log, event &e) -> task<> {
        mark m(log, "gone");
        co_await [](event &e) -> lazy { co_await e; }(e);
    };
    bool now = true;
    cancels(g, tasks, now, log, over);
    tasks.spawn(waits(log, e));
    host.run_until([&] { return over; });
    ASSERT((log == names{"gone", "cancelled"}));

    log.clear();
    over = now = false;
    auto dialog = [](poll_host &host, guest &g, names &log, event &e, bool &opened, bool &now,
                     std::function<void()> begin) -> task<> {
        mark m(log, "gone");
        auto timer = g.after(0ms, [&] {
            begin();
            opened = true;
        });
        host.run_until([&] { return opened; });
        now = true;
        co_await tidy{e};
    };
    tasks.spawn(dialog(host, g, log, e, opened, now, [&] { cancels(g, tasks, now, log, over); }));
    host.run_until([&] { return over; });
    ASSERT((log == names{"gone", "cancelled"}));
}
