// Hazards of awaitables that resume on another thread than the host's: a task runs there; it is resumed while it is being
// cancelled, after its guest has ended, or where no guest is known.
#include "system.h" // before everything, as in harness.h

#include <asyncguest.h>

#include <atomic>

// While this is set there is no memory for what other threads post.
static std::atomic<bool> no_memory;

static guest_status_t post_if_memory(guest_poster_t *p, guest_post_fn callback, void *data, guest_drop_fn drop) {
    return no_memory ? GUEST_ENOMEM : guest_poster_post(p, callback, data, drop);
}

#define guest_poster_post post_if_memory

#include "frames.hpp"
#include "strangers.hpp"

static task<> after_event(event &e, names &log) {
    mark m(log, "gone");
    co_await e;
}

// Resumed on another thread, the task goes on by itself on the host's.
TEST(foreign_threads_that_resume) {
    poll_host host;
    guest g(host);
    event e;
    latch_t waits = LATCH;
    e.on_suspend = [&] { latch_open(&waits); };
    std::thread other([&] {
        latch_wait(&waits, 1);
        e.set();
    });
    bool ended = false;
    auto work = [](event &e) -> task<std::thread::id> {
        co_await e;
        co_return std::this_thread::get_id();
    };
    g.spawn(work(e), [&](outcome<std::thread::id> came) {
        ASSERT(came.get() == std::this_thread::get_id());
        ended = true;
    });
    host.run_until([&] { return ended; });
    other.join();
}

// The task is cancelled, or its guest destroyed, while the other thread is about to resume it; or the guest has ended
// before that does.
TEST(foreign_threads_that_resume_too_late) {
    for (int round = 0; round < 300; round++) {
        names log;
        event e;
        latch_t waits = LATCH;
        auto g = std::make_unique<guest>();
        auto tasks = std::make_unique<scope>(*g);
        std::thread other([&] {
            latch_wait(&waits, 1);
            e.waiter.resume();
        });
        tasks->spawn(after_event(e, log));
        if (round % 3 == 0) { // posted, and not yet delivered
            latch_open(&waits);
            other.join();
        } else if (round % 3 == 1) {
            latch_open(&waits);
        }
        if (round % 2)
            tasks->cancel();
        else
            g.reset();
        ASSERT(log == names{"gone"});
        if (round % 3 == 2)
            latch_open(&waits);
        if (other.joinable())
            other.join();
        if (g)
            ASSERT_OK(g->deliver());
        ASSERT(log == names{"gone"});
    }
}

// A task that a coroutine of another type awaits has no guest that could take it to its thread.
TEST(foreign_threads_without_a_guest) {
    event e;
    names log;
    auto work = [](event &e, names &log) -> task<> {
        mark m(log, "gone");
        co_await tidy{e};
        FAIL("it was resumed");
    };
    auto around = [](auto &work, event &e, names &log) -> lazy { co_await work(e, log); };
    {
        lazy outer = around(work, e, log);
        outer.h.resume();
        auto waiter = e.waiter;
        std::thread([&] { ASSERT_THROWS(status::thread, waiter.resume()); }).join();
        ASSERT(log.empty());
        ASSERT(waiter.done()); // so nobody resumes it once more
    }
    ASSERT(log == names{"gone"});

    auto plainly = [](event &e, names &log) -> task<> {
        mark m(log, "gone");
        co_await e;
    };
    {
        lazy outer = around(plainly, e, log);
        outer.h.resume();
    }
    std::thread([&] { e.waiter.resume(); }).join(); // nobody waits, so there is nothing to say
    ASSERT((log == names{"gone", "gone"}));
}

// Who resumes it learns that it cannot go on: it is not forgotten in silence.
TEST(foreign_threads_out_of_memory) {
    guest g;
    scope tasks(g);
    event e;
    names log;
    // One that takes its handle back: what nobody resumes any more is freed.
    auto work = [](event &e, names &log) -> task<> {
        mark m(log, "gone");
        co_await tidy{e};
        FAIL("it was resumed");
    };
    tasks.spawn(work(e, log));
    no_memory = true;
    std::thread([&] { ASSERT_THROWS(status::no_memory, e.set()); }).join();
    no_memory = false;
    ASSERT(log.empty());
    tasks.cancel();
    ASSERT(log == names{"gone"});
}

// The guest has ended when the task begins to wait: nobody goes on any more.
TEST(foreign_threads_after_the_end) {
    auto g = std::make_unique<guest>();
    event e;
    names log;
    e.on_suspend = [&] {
        std::thread([&] { e.waiter.resume(); }).join();
        log.push_back("suspends");
    };
    auto work = [](std::unique_ptr<guest> &g, event &e, names &log) -> task<> {
        mark m(log, "gone");
        g.reset();
        co_await e;
        FAIL("its guest has ended");
    };
    g->spawn(work(g, e, log));
    ASSERT((log == names{"suspends", "gone"}));
}
