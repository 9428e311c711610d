// Hazards of what a guest is given: functions of the options that run when their guest is gone, or never go; a host
// that hangs; exceptions that end more than they should.
#include "loops.hpp"

TEST(options_run_goes_on_when_an_exception_was_taken) {
    int taken = 0, calls = 0;
    asyncguest::options options;
    options.on_exception = [&](std::exception_ptr) { taken++; };
    guest g(std::move(options));
    g.post([] { throw 1; });
    g.post([&] { calls++; });
    auto t = g.every(1ms, [&] {
        if (++calls == 4)
            g.cancel();
        throw 2;
    });
    ASSERT(g.run() && g.done());
    ASSERT(taken == 4 && calls == 4);

    asyncguest::options others;
    others.on_exception = [&](std::exception_ptr) { taken++; };
    guest busy(std::move(others));
    auto always = busy.every(1ms, [] { throw 3; });
    uint64_t begin = guest_now();
    ASSERT(!busy.run(20ms)); // the time is over, whatever was thrown
    ASSERT_AT_LEAST(guest_now() - begin, MS(20));
    ASSERT(taken > 4);
}

// Like every callback they may do without the arguments. What is empty stays empty.
TEST(options_take_functions_without_arguments) {
    int dones = 0, taken = 0;
    latch_t stalled = LATCH;
    asyncguest::options options;
    options.on_done = [&] { dones++; };
    options.on_exception = [&] { taken++; };
    options.on_stall = [&] { latch_open(&stalled); };
    options.stall_after = 20ms;
    queue_host host;
    guest g(host, options); // and may be copied
    g.post([&] {
        latch_wait(&stalled, 1);
        throw 1;
    });
    host.run_until([&] { return taken == 1; });
    ASSERT(g.shutdown(1s));
    ASSERT_EQ_I64(1, dones);

    void (*none)() = nullptr;
    options.on_done = none;
    ASSERT(!options.on_done);
    options.on_done = std::function<void()>();
    ASSERT(!options.on_done);
    options.on_done = std::function<void(status)>();
    ASSERT(!options.on_done);
    options.on_done = [&](auto... how) { dones += int(sizeof...(how)); };
    options.on_done(status::ok); // with them where both are possible
    ASSERT_EQ_I64(2, dones);
    options.on_done = nullptr;
    ASSERT(!options.on_done);
}

TEST(options_are_dropped_with_the_guest) {
    tally done, exception, stall;
    asyncguest::source kept;
    asyncguest::options options;
    options.on_done = [c = std::make_shared<counted>(done)](status) { c->call(); };
    options.on_exception = [c = std::make_shared<counted>(exception)](std::exception_ptr) { c->call(); };
    options.on_stall = [c = std::make_shared<counted>(stall)](asyncguest::stall, std::chrono::nanoseconds) { c->call(); };
    {
        poll_host host;
        guest g(host, std::move(options));
        kept = g.every(1h, [] {});
        ASSERT(g.shutdown(1s));
        ASSERT_TALLY(1, 1, done);
    }
    ASSERT_TALLY(0, 1, exception); // although a handle is left
    ASSERT_TALLY(0, 1, stall);
}

// guest_free joins the I/O thread for a second and leaves it behind then.
TEST(options_on_stall_may_return_after_the_guest) {
    static latch_t entered = LATCH, leave = LATCH, left = LATCH;
    struct large {
        char text[200] = "as it was";
    };
    queue_host host;
    asyncguest::options options;
    options.stall_after = 20ms;
    options.on_stall = [own = large()](asyncguest::stall, std::chrono::nanoseconds) {
        latch_open(&entered);
        latch_wait(&leave, 1);
        ASSERT_EQ_STR("as it was", own.text);
        latch_open(&left);
    };
    {
        guest g(host, std::move(options));
        bool returned = false;
        g.post([&] {
            latch_wait(&entered, 1); // this callback does not return
            returned = true;
        });
        host.run_until([&] { return returned; });
    }
    char *again[100]; // takes the memory that is free
    for (char *&memory : again)
        memory = static_cast<char *>(memset(malloc(sizeof(large)), 'x', sizeof(large)));
    latch_open(&leave);
    latch_wait(&left, 1);
    for (char *memory : again)
        free(memory);
}

// ~guest inside a callback waits a second for a post that hangs. Whatever happens to that one, it is the last.
TEST(options_no_post_after_one_that_hangs) {
    struct hanging : queue_host {
        latch_t entered = LATCH, leave = LATCH;
        std::atomic<int> calls{0};

        int post(guest_token_t) noexcept override {
            calls++;
            latch_open(&entered);
            latch_wait(&leave, 1);
            return -1; // asks for a repetition
        }
    } host;
    auto g = std::make_unique<guest>(host);
    guest_t *raw = g->get();
    g->post([] {});
    latch_wait(&host.entered, 1);
    g->post([&] {
        g.reset();
        latch_open(&host.leave);
        await([](void *of) {
            guest_stats_t stats{};
            stats.struct_size = sizeof stats;
            return guest_stats(static_cast<guest_t *>(of), &stats) == GUEST_OK && stats.reposts >= 1;
        },
              raw, "the repetition");
    });
    ASSERT_OK(g->deliver());
    ASSERT(!g);
    ASSERT_EQ_I64(1, host.calls);
}
