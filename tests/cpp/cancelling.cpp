// Hazards of cancelling a task that an awaitable of somebody else's has suspended or resumed: a frame is freed while it
// runs, or goes on after it was freed. At each point at which a cancel can come.
#include "victim.hpp"

// Waits for the event, some frames deep, or for ever.
static task<> waits(victim &v, int depth = 2) {
    mark m(v.log, std::to_string(depth));
    if (depth == 0)
        co_await v.e;
    else
        co_await waits(v, depth - 1);
    FAIL("it was cancelled");
}

TEST(cancel_while_it_waits) {
    for (int way = 0; way < ways; way++) {
        victim v;
        v.tasks->spawn(waits(v));
        v.end(way);
        ASSERT(v.log == inner_first);
        v.e.set(); // the event has kept its handle, also when the guest is gone
        ASSERT(v.log == inner_first);
    }
}

// It goes on to the next co_await that has to wait, whatever that waits for.
TEST(cancel_while_it_runs) {
    for (int way = 0; way < ways; way++) {
        victim v;
        event second;
        auto ending = [](victim &v, int way, event &second) -> task<> {
            mark m(v.log, "ended");
            std::string text(100, 'x');
            co_await v.e;
            v.end(way);
            v.log.push_back(text.substr(0, 1));
            co_await std::suspend_never();
            v.log.push_back("not yet");
            co_await second;
            FAIL("it was cancelled");
        };
        auto outer = [](victim &v, int way, event &second, auto &ending) -> task<> {
            mark m(v.log, "outer");
            co_await ending(v, way, second);
        };
        v.tasks->spawn(outer(v, way, second, ending));
        v.e.set();
        ASSERT((v.log == names{"x", "not yet", "ended", "outer"}));
        second.set();
        ASSERT_EQ_U64(4, v.log.size());
    }
}

TEST(cancel_and_return) {
    for (int way = 0; way < ways; way++) {
        victim v;
        auto ending = [](victim &v, int way) -> task<int> {
            mark m(v.log, "ended");
            co_await v.e;
            v.end(way);
            co_return 1;
        };
        tally on_end;
        v.tasks->spawn(ending(v, way), counting(on_end));
        v.e.set();
        ASSERT(v.log == names{"ended"});
        ASSERT_TALLY(0, 1, on_end);
    }
}

TEST(cancel_inside_await_suspend) {
    for (int way = 0; way < 2; way++) {
        victim v;
        v.e.on_suspend = [&] {
            v.end(way);
            v.log.push_back("suspends");
        };
        v.tasks->spawn(waits(v));
        ASSERT((v.log == names{"suspends", "0", "1", "2"}));
        v.e.set();
    }
    victim v; // and resumes as well: it goes on, as it does not have to wait
    v.e.on_suspend = [&] {
        v.tasks->cancel();
        v.e.set();
    };
    auto once = [](victim &v) -> task<> {
        co_await v.e;
        v.log.push_back("goes on");
    };
    v.tasks->spawn(once(v));
    ASSERT(v.log == names{"goes on"});
}

TEST(cancel_from_a_sibling) {
    for (int way = 0; way < ways; way++) {
        victim v;
        event second, third;
        auto ending = [](victim &v, int way, event &second, event &third) -> task<> {
            mark m(v.log, "ending");
            co_await second;
            v.end(way);
            v.log.push_back("goes on");
            v.e.set(); // for the other parts, which were cancelled as well
            third.set();
            v.log.push_back("further");
        };
        auto last = [](names &log, event &third) -> task<> {
            mark m(log, "last");
            co_await third;
            FAIL("it was cancelled");
        };
        auto all = [](victim &v, int way, event &second, event &third, auto &ending, auto &last) -> task<> {
            mark m(v.log, "all");
            co_await when_all(waits(v, 0), ending(v, way, second, third), last(v.log, third));
        };
        v.tasks->spawn(all(v, way, second, third, ending, last));
        second.set();
        names told(v.log.begin(), v.log.begin() + 3), rest(v.log.begin() + 3, v.log.end());
        ASSERT((told == names{"goes on", "further", "ending"}));
        ASSERT_EQ_STR("all", rest.back().c_str());
        ASSERT_EQ_U64(3, rest.size());
    }
}

TEST(cancel_from_another_task) {
    for (int way = 0; way < ways; way++) {
        victim v;
        event second;
        auto ending = [](victim &v, int way, event &second) -> task<> {
            mark m(v.log, "ending");
            co_await second;
            v.end(way);
            ASSERT(v.log == inner_first);
            co_await second;
        };
        v.tasks->spawn(waits(v));
        v.tasks->spawn(ending(v, way, second));
        second.set();
        ASSERT_EQ_STR("ending", v.log.back().c_str());
        v.e.set();
    }
}

// Destructors of a frame that is being destroyed: one cancels again, one resumes its sibling, one the dead.
TEST(cancel_inside_destructors) {
    struct at_end {
        std::function<void()> f;
        explicit at_end(std::function<void()> g) : f(std::move(g)) {}
        at_end(const at_end &) = delete;
        ~at_end() { f(); }
    };
    for (int way : {0, 1, 3}) {
        victim v;
        event second, third;
        auto part = [](victim &v, event &mine, std::function<void()> f) -> task<> {
            mark m(v.log, "part");
            at_end last(std::move(f));
            co_await mine;
            FAIL("it was cancelled");
        };
        auto all = [](victim &v, event &second, event &third, auto &part) -> task<> {
            auto cancel = [&] {
                if (v.tasks)
                    v.tasks->cancel();
            };
            co_await when_all(part(v, second, [&] { third.set(); }), part(v, third, [&] { second.set(); }),
                              part(v, v.e, cancel));
        };
        v.tasks->spawn(all(v, second, third, part));
        v.end(way);
        ASSERT((v.log == names{"part", "part", "part"}));
        v.e.set();
    }
}

// A task that was resumed by an event opens a dialog, in which everything may end.
TEST(cancel_inside_a_dialog) {
    for (int way = 0; way < 3; way++) {
        poll_host host;
        auto g = std::make_unique<guest>(host);
        auto tasks = std::make_unique<scope>(*g);
        names log;
        event e, other;
        bool over = false;
        auto open = [](poll_host &host, guest &g, event &e, names &log, bool &over, std::function<void()> end) -> task<> {
            mark m(log, "dialog");
            co_await e;
            auto timer = g.after(0ms, [&] {
                end();
                over = true;
            });
            host.run_until([&] { return over; });
            log.push_back("closed");
            timer.close();
            e.is_set = false;
            co_await e;
            FAIL("it was cancelled");
        };
        auto beside = [](event &other, names &log) -> task<> {
            mark m(log, "beside");
            co_await other;
        };
        tasks->spawn(beside(other, log));
        tasks->spawn(open(host, *g, e, log, over, [&] {
            if (way == 0)
                tasks->cancel();
            else if (way == 1)
                tasks.reset();
            else
                g.reset();
        }));
        e.set();
        ASSERT((log == names{"beside", "closed", "dialog"}));
        e.set();
        other.set();
    }
}
