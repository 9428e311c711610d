// Hazards: handles and guests that are destroyed early, late, inside their own callback, or half made; errors that
// lose the library's message.
#include "loops.hpp"

#include <cmath>
#include <cstring>

TEST(raii_destroying_a_handle_closes_its_source) {
    guest g;
    channel pipe;
    tally timer, fd, signal;
    {
        auto t = g.every(1ns, counting(timer));
        auto f = g.on_fd(pipe.out, events::writable, counting(fd));
        auto s = g.on_signal(SIGUSR1, counting(signal));
        ASSERT(t.is_open() && f.is_open() && s.is_open());
        MUST(raise(SIGUSR1));
    }
    run_until(g, [&] { return timer.drops && fd.drops && signal.drops; });
    ASSERT_TALLY(0, 1, timer);
    ASSERT_TALLY(0, 1, fd);
    ASSERT_TALLY(0, 1, signal);
    ASSERT_EQ_U64(0, g.stats().live_sources);
}

TEST(raii_release_lets_it_live) {
    guest g;
    tally t;
    guest_id_t id = g.after(1ms, counting(t)).release();
    ASSERT_OK(guest_is_open(g.get(), id));
    run_until(g, [&] { return t.drops == 1; });
    ASSERT_TALLY(1, 1, t);
    ASSERT_STATUS(GUEST_ESTALE, guest_is_open(g.get(), id));
}

TEST(raii_moving_a_handle) {
    guest g;
    tally first, second;
    asyncguest::timer a = g.every(1ms, counting(first));
    asyncguest::timer b = g.every(1ms, counting(second));
    asyncguest::timer moved(std::move(a));
    ASSERT(!a.is_open() && moved.is_open());
    ASSERT_THROWS(status::stale, a.stop());
    asyncguest::timer &self = moved;
    moved = std::move(self);
    ASSERT(moved.is_open());
    moved = std::move(b); // closes the first
    run_until(g, [&] { return second.calls >= 2; });
    ASSERT_TALLY(0, 1, first);
    ASSERT(second.drops == 0 && moved.is_open());
    asyncguest::source plain = std::move(moved); // a handle of any kind
    plain.close();
    plain.close();
    run_until(g, [&] { return second.drops == 1; });
    static_assert(!std::is_copy_constructible_v<asyncguest::source> && !std::is_move_constructible_v<guest>);
    static_assert(std::is_nothrow_move_constructible_v<asyncguest::source> && std::is_nothrow_destructible_v<guest>);
}

TEST(raii_a_handle_may_outlive_its_guest) {
    tally t;
    asyncguest::timer timer;
    asyncguest::poster poster;
    {
        guest g;
        timer = g.every(1h, counting(t));
        poster = g.make_poster();
    }
    ASSERT_TALLY(0, 1, t);
    ASSERT(!timer.is_open());
    ASSERT_THROWS(status::stale, timer.arm(1ms));
    timer.close();
    ASSERT(!poster.post([] {}) && !poster.wake());
    poster.cancel();
}

TEST(raii_closing_inside_callbacks) {
    guest g;
    tally own, other;
    asyncguest::timer a, b;
    a = g.every(1ms, counting(own, [&] {
                    a.close(); // its callable lives until it returns
                    b.close(); // due in the same batch
                    ASSERT_EQ_I64(0, own.drops);
                }));
    b = g.after(1ms, counting(other));
    pass(MS(2)); // both are due
    run_until(g, [&] { return own.drops && other.drops; });
    ASSERT_TALLY(1, 1, own);
    ASSERT_TALLY(0, 1, other);
}

TEST(raii_rearming) {
    guest g;
    int calls = 0;
    auto t = g.after(asyncguest::never, [&](uint64_t expirations) { calls += static_cast<int>(expirations); });
    ASSERT_OK(g.deliver());
    ASSERT_EQ_I64(0, calls);
    t.arm(0ms);
    run_until(g, [&] { return calls == 1; });
    t = g.every(1h, [&] { calls++; });
    t.arm(0ms, 1h);
    run_until(g, [&] { return calls == 2; });
    t.stop();
    t.arm(1h);
    channel pipe;
    events came = events::none;
    asyncguest::fd_source fd = g.on_fd(pipe.out, events::none, [&](events got) {
        came = got;
        fd.watch(events::none);
    });
    ASSERT_OK(g.deliver());
    ASSERT(came == events::none);
    fd.watch(events::writable);
    run_until(g, [&] { return came == events::writable; });
    ASSERT_EQ_I64(2, calls);
}

// Whoever ends a guest, and from wherever: everything is dropped, and the host hears of it once and in order.
template <class Host> static void end_inside(bool in_done) {
    auto host = std::make_unique<Host>();
    std::unique_ptr<guest> g;
    tally pending, own;
    int dones = 0;
    asyncguest::options options;
    options.on_done = [&](status how) {
        ASSERT(how == status::ok);
        dones++;
        if (in_done)
            g.reset();
    };
    g = std::make_unique<guest>(*host, std::move(options));
    auto kept = g->every(1h, counting(pending));
    auto begin = g->after(1ms, counting(own, [&] {
                              if (in_done)
                                  g->cancel();
                              else
                                  g.reset(); // it takes effect when the delivery returns
                              ASSERT_EQ_I64(0, dones);
                          }));
    Host &loop = *host;
    loop.run_until([&] { return dones == 1; });
    ASSERT_TALLY(1, 1, own);
    ASSERT_TALLY(0, 1, pending);
    ASSERT(!g && !loop.g);
    std::vector<std::string> want = loop.watches_fd()
                                        ? std::vector<std::string>{"attached", "watch", "unwatch", "detached"}
                                        : std::vector<std::string>{"attached", "detached"};
    ASSERT(loop.life == want);
    ASSERT(loop.caught.empty());
}

TEST(raii_guest_destroyed_in_a_callback_thread) {
    end_inside<queue_host>(false);
}

TEST(raii_guest_destroyed_in_a_callback_fd) {
    end_inside<poll_host>(false);
}

TEST(raii_guest_destroyed_in_on_done_thread) {
    end_inside<queue_host>(true);
}

TEST(raii_guest_destroyed_in_on_done_fd) {
    end_inside<poll_host>(true);
}

// As programs have it: host and guest are members of a window, which a callback deletes. The I/O thread may be about
// to post meanwhile; it then meets no host.
TEST(raii_the_host_goes_with_the_guest_inside_a_callback) {
    struct window {
        queue_host host;
        guest g{host};
    };
    tally t;
    auto *w = new window;
    w->g.after(1h, counting(t)).release();
    bool deleted = false;
    w->g.post([&] {
        pass(MS(20)); // so long that the I/O thread takes this for a nested loop, and polls
        delete w;
        deleted = true;
        ASSERT_EQ_I64(0, t.drops);
        pass(MS(20)); // it may post now
    });
    guest &g = w->g;
    while (!deleted)
        g.deliver();
    ASSERT_TALLY(0, 1, t);
}

TEST(raii_half_made_guests) {
    poll_host host;
    host.fails_at_watch = 1;
    int dones = 0;
    auto start = [&](asyncguest::options options) {
        options.on_done = [&](status) { dones++; };
        try {
            guest g(host, std::move(options));
            FAIL("the guest started");
        } catch (const asyncguest::error &) {
            throw;
        } catch (const std::runtime_error &) {
        }
    };
    start({});
    ASSERT((host.life == std::vector<std::string>{"attached", "detached"}));
    host.life.clear();
    host.fails_at_attach = 1;
    start({});
    ASSERT(host.life.empty());
    asyncguest::options many;
    many.work_threads = 5000;
    ASSERT_THROWS(status::invalid, start(many));
    asyncguest::options watched;
    watched.stall_after = 1s;
    ASSERT_THROWS(status::drive, guest(std::move(watched)));
    ASSERT_EQ_I64(0, dones);
}

#ifndef _WIN32 // it leaks a guest, and the test a process with it: in_fork
// A mistake, which does as little harm as can be: the guest parts from its host, which may go, and runs nothing more.
TEST(raii_guest_destroyed_on_another_thread) {
    int how = in_fork([](void *) { // a process of its own, for what is left behind ends with it
        struct careless : queue_host {
            std::atomic<int> &calls;
            bool &parted;
            careless(std::atomic<int> &counts, bool &tells) : calls(counts), parted(tells) {}
            int post(guest_token_t token) noexcept override {
                calls++;
                return queue_host::post(token);
            }
            void detached(guest &) noexcept override { parted = true; }
        };
        std::atomic<int> calls{0};
        bool parted = false;
        auto host = std::make_unique<careless>(calls, parted);
        auto g = std::make_unique<guest>(*host);
        asyncguest::poster poster = g->make_poster();
        tally t;
        g->every(1h, counting(t)).release(); // no token is on its way
        std::thread([&] { g.reset(); }).join();
        ASSERT(parted && calls == 0);
        host.reset();
        // Makes the I/O thread post, which finds no host; the guest then takes nothing more.
        await([](void *of) { return !static_cast<asyncguest::poster *>(of)->post([] {}); }, &poster, "the post");
        ASSERT_EQ_I64(0, calls);
        ASSERT_TALLY(0, 0, t);
    },
                      nullptr);
    ASSERT(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}
#endif

TEST(errors_have_the_code_and_the_message) {
    guest g;
    channel pipe;
    auto watched = g.on_fd(pipe.in, events::readable, [] {});
    try {
        static_cast<void>(g.on_fd(pipe.in, events::readable, [] {}));
        FAIL("watched twice");
    } catch (const asyncguest::error &e) {
        char text[512];
        guest_last_error(nullptr, nullptr, text, sizeof text, nullptr);
        ASSERT_EQ_STR(text, e.what());
        ASSERT(e.code() == status::exists && e.code() == std::errc::file_exists);
        ASSERT(make_error_code(status::no_memory) == std::errc::not_enough_memory);
        ASSERT_EQ_STR("asyncguest", e.code().category().name());
        ASSERT(std::strlen(e.code().message().c_str()) > 10);
        ASSERT_EQ_I64(0, e.os_error());
        asyncguest::error copy = e;
        ASSERT_EQ_STR(e.what(), copy.what());
        static_assert(std::is_nothrow_copy_constructible_v<asyncguest::error>);
    }
    int file = static_cast<int>(MUST(open(__FILE__, O_RDONLY | O_CLOEXEC)));
    try {
        static_cast<void>(g.on_fd(file, events::readable, [] {}));
        FAIL("watched a file");
    } catch (const std::system_error &e) { // also as what the standard library knows
        ASSERT(e.code() == status::os);
        ASSERT_EQ_I64(CANNOT_BE_WATCHED, dynamic_cast<const asyncguest::error &>(e).os_error());
    }
    close(file);
}

TEST(errors_of_every_call) {
    guest g;
    tally t;
    ASSERT_THROWS(status::invalid, g.on_fd(-1, events::readable, counting(t)));
    ASSERT_THROWS(status::flags, g.on_fd(0, static_cast<events>(1 << 20), counting(t)));
    ASSERT_THROWS(status::invalid, g.on_signal(SIGKILL, counting(t)));
    ASSERT_THROWS(status::invalid, g.on_child(0, counting(t)));
    ASSERT_THROWS(status::invalid, g.every(0ms, counting(t)));
    ASSERT_THROWS(status::invalid, g.resolve("", {}, counting(t)));
    ASSERT_TALLY(0, 6, t);
    ASSERT_THROWS(status::null, asyncguest::poster().post([] {}));
    ASSERT_THROWS(status::null, asyncguest::poster().wake());
    std::thread([&] {
        ASSERT_THROWS(status::thread, g.after(1ms, [] {}));
        ASSERT_THROWS(status::thread, g.deliver());
        ASSERT_THROWS(status::thread, g.run(0ms));
        ASSERT_THROWS(status::thread, g.shutdown(0ms));
    }).join();
    bool asked = false;
    auto inside = g.after(0ms, [&] {
        ASSERT_THROWS(status::order, g.shutdown(0ms));
        asked = true;
    });
    run_until(g, [&] { return asked; });
    queue_host host;
    guest pushed(host);
    ASSERT_THROWS(status::drive, pushed.fd());
    g.cancel();
    ASSERT_THROWS(status::closed, g.after(1ms, [] {}));
    ASSERT_THROWS(status::closed, g.post([] {}));
    ASSERT_THROWS(status::closed, g.work([] {}, [] {}));
    ASSERT(g.shutdown(1s) && g.done() && g.shutdown(0ms));
    ASSERT_STATUS(GUEST_ECLOSED, g.deliver());
    g.wake();
    g.cancel();
}

#ifndef _WIN32 // there are no forks
TEST(errors_in_a_forked_child) {
    static guest *g;
    guest started;
    g = &started;
    tally t;
    started.every(1h, counting(t)).release();
    int how = in_fork([](void *) {
        ASSERT_THROWS(status::forked, g->deliver());
        ASSERT_THROWS(status::forked, g->cancel());
    },
                      nullptr);
    ASSERT(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    ASSERT_EQ_I64(0, t.drops);
}
#endif

TEST(durations_are_never_early_and_never_overflow) {
    using asyncguest::detail::nanoseconds;
    ASSERT_EQ_U64(0, nanoseconds(-1s));
    ASSERT_EQ_U64(0, nanoseconds(0s));
    ASSERT_EQ_U64(1500000, nanoseconds(1500us));
    ASSERT_EQ_U64(GUEST_FOREVER, nanoseconds(asyncguest::never));
    ASSERT_EQ_U64(GUEST_FOREVER, nanoseconds(std::chrono::hours::max()));
    ASSERT_EQ_U64(GUEST_FOREVER, nanoseconds(std::chrono::duration<double>(1e300)));
    ASSERT_EQ_U64(0, nanoseconds(std::chrono::duration<double>(std::nan(""))));
    ASSERT_EQ_U64(1, nanoseconds(std::chrono::duration<double, std::nano>(0.25)));
    ASSERT_EQ_U64(0, nanoseconds(std::chrono::hours::min()));
    using frames = std::chrono::duration<int64_t, std::ratio<1, 60>>;
    ASSERT_EQ_U64(16666667, nanoseconds(frames(1)));
    ASSERT_EQ_U64(1000000000, nanoseconds(frames(60)));
    ASSERT_EQ_U64(5000000000ull * 1000000000, nanoseconds(frames(5000000000 * 60))); // 158 years
    ASSERT_EQ_U64(GUEST_FOREVER, nanoseconds(frames::max()));
    ASSERT_EQ_U64(1, nanoseconds(std::chrono::duration<int64_t, std::pico>(1)));
    ASSERT_EQ_U64(GUEST_FOREVER, nanoseconds(std::chrono::duration<uint64_t, std::nano>::max()));
}
