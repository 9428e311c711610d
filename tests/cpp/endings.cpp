// Hazards of coroutines: frames destroyed early, late, twice or while they run; the guest's end, whoever causes it;
// dialogs that tasks open, and what ends meanwhile.
#include "frames.hpp"

// A job cannot be stopped; its value is dropped on the host thread when it comes, and nobody is told.
TEST(work_of_a_task_that_is_cancelled) {
    poll_host host;
    guest g(host);
    latch_t entered = LATCH, leave = LATCH;
    tally value;
    auto work = [](guest &g, latch_t &entered, latch_t &leave, tally &value) -> task<> {
        co_await g.work([&] {
            latch_open(&entered);
            latch_wait(&leave, 1);
            return counted(value);
        });
        FAIL("it was cancelled");
    };
    {
        scope tasks(g);
        tasks.spawn(work(g, entered, leave, value));
        latch_wait(&entered, 1);
    }
    latch_open(&leave);
    host.run_until([&] { return value.drops == 1; });
    ASSERT(value.dropper == std::this_thread::get_id());
}

// The guest's end destroys frames, inner ones first, on this thread, inside the call that ends it.
TEST(the_end_destroys_frames) {
    names log;
    tally on_end;
    {
        guest g;
        g.spawn(waiting(g, log), counting(on_end));
        ASSERT_OK(g.deliver());
    }
    ASSERT(log == inner_first);
    ASSERT_TALLY(0, 1, on_end);
    log.clear();
    guest shut;
    shut.spawn(waiting(shut, log));
    ASSERT(shut.shutdown(1s));
    ASSERT(log == inner_first);
    log.clear();
    poll_host host;
    guest cancelled(host);
    cancelled.spawn(waiting(cancelled, log));
    cancelled.cancel();
    ASSERT(log.empty());
    ASSERT_THROWS(status::closed, cancelled.spawn(waiting(cancelled, log)));
    host.run_until([&] { return cancelled.done(); });
    ASSERT(log == inner_first);
    ASSERT_THROWS(status::closed, cancelled.spawn(waiting(cancelled, log)));
}

TEST(a_task_that_ends_its_guest) {
    names log;
    poll_host host;
    auto g = std::make_unique<guest>(host);
    auto ending = [](std::unique_ptr<guest> &g, names &log) -> task<> {
        mark m(log, "ending");
        co_await g->sleep(0ms);
        g->cancel();
        ASSERT_THROWS(status::closed, co_await g->sleep(0ms));
        g.reset(); // in its own callback: takes effect when the delivery returns
        log.push_back("returns");
    };
    g->spawn(ending(g, log));
    g->spawn(waiting(*g, log));
    host.run_until([&] { return log.size() == 5; });
    ASSERT((log == names{"returns", "ending", "0", "1", "2"}));
    g = std::make_unique<guest>(host);
    log.clear();
    auto at_once = [](std::unique_ptr<guest> &g, names &log) -> task<> {
        mark m(log, "at once");
        g->spawn(waiting(*g, log));
        g.reset(); // no delivery is on the stack: now
        ASSERT(log == inner_first);
        co_return;
    };
    g->spawn(at_once(g, log));
    ASSERT_EQ_STR("at once", log.back().c_str());
}

TEST(scopes_end_their_tasks) {
    names log;
    guest g;
    tally on_end;
    {
        scope window(g);
        window.spawn(waiting(g, log), counting(on_end));
        ASSERT(!window.empty());
        ASSERT_OK(g.deliver());
        ASSERT_EQ_U64(2, g.stats().live_sources); // its timer, and the keeper of tasks
    }
    ASSERT(log == inner_first);
    ASSERT_TALLY(0, 1, on_end);
    ASSERT_OK(g.deliver());
    ASSERT_EQ_U64(1, g.stats().live_sources); // destroying a task closes what it waits for

    auto window = std::make_unique<scope>(g);
    log.clear();
    auto closing = [](guest &g, std::unique_ptr<scope> &window, names &log) -> task<> {
        mark m(log, "closing");
        co_await g.sleep(0ms);
        window.reset(); // itself too: at its next wait
        log.push_back("goes on");
        co_await g.sleep(0ms);
        FAIL("it was cancelled");
    };
    window->spawn(closing(g, window, log), counting(on_end));
    window->spawn(waiting(g, log));
    run_until(g, [&] { return log.size() == 5; });
    ASSERT((log == names{"0", "1", "2", "goes on", "closing"}));
    ASSERT_TALLY(0, 2, on_end);
}

TEST(a_scope_may_outlive_its_guest) {
    auto g = std::make_unique<guest>();
    names log;
    scope first(*g), second(*g);
    first.spawn(waiting(*g, log));
    second.spawn(waiting(*g, log));
    task<> unstarted = waiting(*g, log);
    g.reset();
    ASSERT_EQ_U64(6, log.size());
    ASSERT(first.empty() && second.empty());
    ASSERT_THROWS(status::closed, first.spawn(std::move(unstarted)));
    ASSERT(unstarted.empty());
}

TEST(what_was_awaited_is_not_awaited_again) {
    guest g;
    bool ended = false;
    auto nap = [](guest &g) -> task<> { co_await g.sleep(0ms); };
    auto twice = [](guest &g, auto &nap, names &log) -> task<> {
        auto naps = when_all(nap(g), nap(g));
        co_await naps;
        log.push_back("once");
        ASSERT_THROWS(status::order, co_await naps);
    };
    names log;
    g.spawn(twice(g, nap, log), [&](outcome<void> came) {
        came.get();
        ended = true;
    });
    run_until(g, [&] { return ended; });
    ASSERT_EQ_STR("once", log.back().c_str());
}

// What is destroyed at the end may end others, and lose its own scope.
TEST(destructors_that_end_tasks) {
    names log;
    auto holding = [](guest &g, [[maybe_unused]] std::unique_ptr<scope> mine, names &log) -> task<> {
        mark m(log, "outer");
        co_await g.sleep(1h);
    };
    guest g;
    auto inner = std::make_unique<scope>(g);
    inner->spawn(waiting(g, log));
    inner->spawn(waiting(g, log));
    g.spawn(holding(g, std::move(inner), log));
    ASSERT(g.shutdown(1s));
    ASSERT_EQ_U64(7, log.size());
}

// A task opens a dialog: it stays on the stack while others go on, and is cancelled there by each way that there is.
template <class Host> static void dialog(int way) {
    Host host;
    auto g = std::make_unique<guest>(host);
    auto tasks = std::make_unique<scope>(*g);
    names log;
    int ticks = 0;
    auto ticking = [](guest &g, int &ticks) -> task<> {
        for (;; ticks++)
            co_await g.sleep(1ms);
    };
    auto open = [](Host &host, guest &g, int &ticks, names &log) -> task<> {
        mark m(log, "dialog");
        co_await g.sleep(0ms);
        host.run_until([&] { return ticks >= 5; });
        log.push_back("closed");
        co_await g.sleep(0ms);
        log.push_back("goes on");
    };
    auto stop = [&] {
        if (way == 1)
            tasks->cancel();
        if (way == 2)
            tasks.reset();
        if (way == 3)
            g->cancel();
        ticks = way ? 5 : ticks;
    };
    g->spawn(ticking(*g, ticks));
    tasks->spawn(open(host, *g, ticks, log));
    auto timer = g->after(3ms, stop);
    host.run_until([&] { return !log.empty() && log.back() == "dialog"; });
    ASSERT((log == (way ? names{"closed", "dialog"} : names{"closed", "goes on", "dialog"})));
    ASSERT(host.caught.empty());
}

TEST(dialogs_inside_tasks) {
    dialog<queue_host>(0);
    dialog<poll_host>(0);
}

TEST(dialogs_inside_cancelled_tasks) {
    for (int way : {1, 2}) {
        dialog<queue_host>(way);
        dialog<poll_host>(way);
    }
}

// The dialog's task was started by a click, so that no delivery is on the stack; the guest ends inside its loop.
TEST(dialogs_that_the_end_comes_to) {
    names log;
    poll_host host;
    auto g = std::make_unique<guest>(host);
    bool ended = false;
    auto open = [](poll_host &host, std::unique_ptr<guest> &g, names &log, bool &ended) -> task<> {
        mark m(log, "dialog");
        auto timer = g->after(1ms, [&] {
            g.reset();
            ended = true;
        });
        host.run_until([&] { return ended; });
        log.push_back("closed");
        co_return;
    };
    g->spawn(waiting(*g, log));
    g->spawn(open(host, g, log, ended));
    ASSERT((log == names{"0", "1", "2", "closed", "dialog"}));
}
