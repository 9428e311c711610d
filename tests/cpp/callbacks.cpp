// Hazards: callables that are dropped twice, never, or on the wrong thread; exceptions that leave callbacks; threads
// that post to a guest which ends; work and its values; nested loops; a host that is stuck or gone.
#include "loops.hpp"

// Counts what C++ allocates, on any thread; the library itself does not use operator new.
static std::atomic<int> allocations;

void *operator new(size_t size) {
    allocations++;
    if (void *memory = malloc(size))
        return memory;
    throw std::bad_alloc();
}

void operator delete(void *memory) noexcept {
    free(memory);
}

void operator delete(void *memory, size_t) noexcept {
    free(memory);
}

// One of each kind that ends by itself: called once, dropped once, on the host thread.
template <class Host> static void one_shots() {
    Host host;
    guest g(host);
    tally post, timer, work, name, job;
    tally *all[] = {&post, &timer, &work, &name};
    g.post(counting(post));
    g.after(0ms, counting(timer)).release();
    g.work(counting(job), counting(work));
    g.resolve("127.0.0.1", 80, counting(name));
    host.run_until([&] { return post.drops && timer.drops && work.drops && name.drops; });
    for (tally *t : all) {
        ASSERT_TALLY(1, 1, *t);
        ASSERT(t->caller == std::this_thread::get_id() && t->dropper == std::this_thread::get_id());
    }
    ASSERT_TALLY(1, 1, job);
    ASSERT(job.caller != std::this_thread::get_id() && job.dropper == std::this_thread::get_id());
}

TEST(drops_of_one_shots_thread) {
    one_shots<queue_host>();
}

TEST(drops_of_one_shots_fd) {
    one_shots<poll_host>();
}

TEST(drops_of_what_never_ran) {
    tally post, timer, fd, signal, name, first, second;
    channel pipe;
    {
        asyncguest::options options;
        options.work_threads = 1;
        guest g(std::move(options));
        g.post(counting(post));
        g.after(0ms, counting(timer)).release();
        g.on_fd(pipe.out, events::writable, counting(fd)).release();
        g.on_signal(SIGUSR1, counting(signal)).release();
        latch_t entered = LATCH;
        g.work([&] { latch_open(&entered); }, counting(first));
        g.work([] {}, counting(second));
        g.resolve("127.0.0.1", 80, counting(name));
        latch_wait(&entered, 1);
        g.cancel();
        ASSERT(g.shutdown(5s)); // waits for the job that runs
        for (tally *t : {&post, &timer, &fd, &signal, &name, &first, &second})
            ASSERT_TALLY(0, 1, *t);
    }
    ASSERT(signal.dropper == std::this_thread::get_id());
}

TEST(drops_of_abandoned_work) {
    latch_t entered = LATCH, leave = LATCH;
    tally then;
    std::weak_ptr<int> watch;
    {
        guest g;
        auto value = std::make_shared<int>(1);
        watch = value;
        g.work([&, value = std::move(value)] {
            latch_open(&entered);
            latch_wait(&leave, 1);
            return value;
        },
               counting(then));
        latch_wait(&entered, 1);
        ASSERT(!g.shutdown(1ms)); // it is running still
    }
    ASSERT(!watch.expired());
    latch_open(&leave);
    await([](void *w) { return static_cast<std::weak_ptr<int> *>(w)->expired(); }, &watch, "the job's end");
    ASSERT_EQ_I64(0, then.calls);
}

TEST(drops_one_allocation_per_registration) {
    guest g;
    channel pipe;
    char large[200] = {};
    asyncguest::poster poster = g.make_poster();
    auto counts = [&](auto &&registers) {
        int before = allocations;
        registers();
        return allocations - before;
    };
    ASSERT_EQ_I64(1, counts([&] { g.post([large] { (void)large; }); }));
    ASSERT_EQ_I64(1, counts([&] { poster.post([large] { (void)large; }); }));
    ASSERT_EQ_I64(1, counts([&] { g.every(1h, [large] { (void)large; }).release(); }));
    ASSERT_EQ_I64(1, counts([&] { g.on_fd(pipe.in, events::readable, [large] { (void)large; }).release(); }));
    ASSERT_EQ_I64(1, counts([&] { g.work([large] { return large[0]; }, [](outcome<char>) {}); }));
    int before = allocations;
    for (int i = 0; i < 10; i++)
        ASSERT_OK(g.deliver());
    ASSERT_EQ_I64(before, allocations); // deliveries do not allocate
}

struct thrown : std::runtime_error {
    thrown() : std::runtime_error("from a callback") {}
};

// Exceptions of every second callback: each comes out of deliver(), everything else runs, nothing twice.
template <class Host> static void throwing() {
    Host host;
    guest g(host);
    channel pipe;
    pipe.write();
    std::vector<int> ran;
    int fd_calls = 0;
    tally drops;
    auto add = [&](int n) {
        auto act = [&ran, n, c = counted(drops)] {
            ran.push_back(n);
            if (n % 2)
                throw thrown();
        };
        if (n < 10)
            g.after(0ms, std::move(act)).release();
        else
            g.post(std::move(act));
    };
    for (int n : {1, 2, 3, 4, 11, 12, 13, 14})
        add(n);
    asyncguest::fd_source fd = g.on_fd(pipe.in, events::readable, [&] {
        ran.push_back(0);
        if (++fd_calls == 3) // level-triggered: until it is read
            pipe.read();
        throw thrown();
    });
    g.work([]() -> int { throw thrown(); }, [&](outcome<int> came) {
        ran.push_back(100);
        came.get(); // the job's exception goes on from here
    });
    host.run_until([&] { return ran.size() == 12 && drops.drops == 8; });
    std::vector<int> rest;
    for (int n : ran)
        if (n && n != 100)
            rest.push_back(n);
    ASSERT((rest == std::vector<int>{1, 2, 3, 4, 11, 12, 13, 14}));
    ASSERT_EQ_U64(8, host.caught.size());
    for (auto &e : host.caught) {
        try {
            std::rethrow_exception(e);
        } catch (const thrown &) {
        }
    }
    ASSERT(fd.is_open());
}

TEST(exceptions_come_out_of_deliver_thread) {
    throwing<queue_host>();
}

TEST(exceptions_come_out_of_deliver_fd) {
    throwing<poll_host>();
}

TEST(exceptions_come_out_of_run) {
    guest g;
    int calls = 0;
    g.post([&] { throw thrown(); });
    g.post([&] { calls++; });
    try {
        g.run(60s);
        FAIL("no exception");
    } catch (const thrown &) {
    }
    run_until(g, [&] { return calls == 1; });
    ASSERT(!g.run(0ms));
}

TEST(exceptions_go_to_on_exception) {
    poll_host host;
    int taken = 0;
    asyncguest::options options;
    options.on_exception = [&](std::exception_ptr e) {
        if (++taken == 2)
            std::rethrow_exception(e); // not this one
    };
    guest g(host, std::move(options));
    auto t = g.every(1ms, [] { throw 42; });
    host.run_until([&] { return taken == 4; });
    ASSERT_EQ_U64(1, host.caught.size());
    ASSERT(t.is_open());
}

TEST(threads_post_in_order_until_the_end) {
    constexpr int threads = 4, posts = 2000;
    queue_host host;
    tally dropped[threads];
    std::vector<int> seen[threads];
    auto g = std::make_unique<guest>(host);
    latch_t ended = LATCH;
    std::vector<std::thread> pool;
    for (int i = 0; i < threads; i++)
        pool.emplace_back([&, i, poster = g->make_poster()] {
            for (int n = 0; n < posts; n++)
                ASSERT(poster.post([&, i, n, own = std::make_unique<int>(n)] { seen[i].push_back(*own); }));
            latch_wait(&ended, 1);
            ASSERT(!poster.post(counting(dropped[i]))); // refused, and destroyed on this thread
            ASSERT_TALLY(0, 1, dropped[i]);
            ASSERT(dropped[i].dropper == std::this_thread::get_id());
        });
    host.run_until([&] { return seen[0].size() + seen[1].size() + seen[2].size() + seen[3].size() == threads * posts; });
    g.reset();
    latch_open(&ended);
    for (auto &t : pool)
        t.join();
    for (auto &list : seen)
        for (int n = 0; n < posts; n++)
            ASSERT_EQ_I64(n, list[static_cast<size_t>(n)]);
}

TEST(threads_end_and_wake_a_guest) {
    queue_host host;
    int dones = 0;
    asyncguest::options options;
    options.on_done = [&](status how) {
        ASSERT(how == status::ok && std::this_thread::get_id() != std::thread::id());
        dones++;
    };
    guest g(host, std::move(options));
    std::thread other([&] {
        g.wake();
        g.make_poster().wake();
        g.cancel();
    });
    host.run_until([&] { return dones == 1; });
    other.join();
    ASSERT(g.done() && host.g == nullptr && host.posts >= 1);
}

TEST(deadline_brings_a_delivery_in_its_time) {
    poll_host host;
    guest g(host);
    host.run_until([&] { return g.stats().batches > 0 || (g.wake(), false); });
    g.deadline(std::chrono::hours(24 * 365 * 1000)); // further than the clock goes
    g.deadline(asyncguest::never);
    uint64_t due = guest_now() + 2'000'000, events = g.stats().events;
    g.deadline(std::chrono::milliseconds(2));
    host.run_until([&] { return g.stats().events > events; });
    ASSERT(guest_now() >= due);
}

TEST(work_gives_values_and_exceptions) {
    poll_host host;
    guest g(host);
    int came = 0;
    g.work([own = std::make_unique<int>(6)] { return std::make_unique<int>(*own * 7); },
           [&, own = std::make_unique<int>(0)](outcome<std::unique_ptr<int>> value) {
               ASSERT_EQ_I64(42, *value.get());
               came++;
           });
    g.work([] {}, [&](outcome<void> nothing) {
        nothing.get();
        came++; });
    g.work([]() -> std::string { throw thrown(); }, [&](outcome<std::string> none) {
        ASSERT(!none && none.exception());
        came++; });
    g.work([] { return 1; }, [&] { came++; });
    host.run_until([&] { return came == 4; });
}

TEST(names_resolve_or_say_why) {
    poll_host host;
    guest g(host);
    int came = 0;
    g.resolve("127.0.0.1", 8080, [&](asyncguest::addresses found) {
        for (const asyncguest::address &a : found.get()) {
            ASSERT_EQ_STR("127.0.0.1", a.to_string().c_str());
            ASSERT_EQ_U64(8080, a.port());
            ASSERT(a.family() == AF_INET && a.socktype() == SOCK_STREAM && a.data()->sa_family == AF_INET);
            ASSERT_EQ_U64(sizeof(sockaddr_in), a.size());
            came++;
        }
    });
    g.resolve("::1", 80, [&](asyncguest::addresses found) {
        ASSERT_EQ_STR("::1", found.get().at(0).to_string().c_str());
        came++;
    },
              {AF_INET6, SOCK_STREAM, AI_NUMERICHOST});
    g.resolve("not a number", {}, [&](asyncguest::addresses none) {
        try {
            none.get();
            FAIL("resolved");
        } catch (const asyncguest::resolve_error &e) {
            ASSERT(e.code() == status::resolve && e.gai_error() == EAI_NONAME);
            came++;
        }
    },
              {AF_UNSPEC, SOCK_STREAM, AI_NUMERICHOST});
    host.run_until([&] { return came == 3; });
}

TEST(signals_and_children) {
    queue_host host;
    guest g(host);
    unsigned signals = 0;
    auto s = g.on_signal(SIGUSR1, [&](unsigned count) { signals += count; });
    MUST(raise(SIGUSR1));
    asyncguest::exit_status exited{-1, -1}, killed{-1, -1};
    auto c = g.on_child(ending_child(7), [&](asyncguest::exit_status how) { exited = how; });
    pid_t sleeper = waiting_child();
    auto k = g.on_child(sleeper, [&](asyncguest::exit_status how) { killed = how; });
    kill_child(sleeper);
    host.run_until([&] { return signals == 1 && exited.code >= 0 && (killed.signal > 0 || killed.code >= 0); });
    ASSERT(exited.code == 7 && exited.signal == 0);
    ASSERT(killed.code == KILLED_CODE && killed.signal == KILLED_SIGNAL);
    ASSERT(!c.is_open() && !k.is_open() && s.is_open());
}

// A dialog: a callback runs the host's loop, in which everything else goes on.
template <class Host> static void dialog() {
    Host host;
    guest g(host);
    int ticks = 0, depth = 0, deepest = 0;
    auto ticking = g.every(2ms, [&] { ticks++; });
    std::function<void()> open = [&] {
        int seen = ticks;
        deepest = std::max(deepest, ++depth);
        if (depth < 3)
            g.post(open);
        host.run_until([&] { return ticks >= seen + 5 && (depth == 3 || deepest == 3); });
        depth--;
        throw thrown();
    };
    g.post(open);
    host.run_until([&] { return host.caught.size() == 3; });
    ASSERT_EQ_I64(3, deepest);
}

TEST(nested_loops_thread) {
    dialog<queue_host>();
}

TEST(nested_loops_fd) {
    dialog<poll_host>();
}

TEST(a_step_per_frame) {
    guest g; // a game has no loop that could be told anything
    int calls = 0;
    auto t = g.every(1ms, [&] { calls++; });
    for (uint64_t stop = guest_now() + limit(SECONDS(10)); calls < 5; pass(MS(1))) {
        ASSERT(guest_now() < stop);
        ASSERT_OK(g.deliver());
    }
}

TEST(the_host_is_gone) {
    queue_host host;
    status how = status::ok;
    asyncguest::options options;
    options.on_done = [&](status code) { how = code; };
    guest g(host, std::move(options));
    tally t;
    g.every(1ms, counting(t)).release();
    host.gone = true;
    await([](void *posts) { return *static_cast<std::atomic<int> *>(posts) > 0; }, &host.posts, "a post");
    ASSERT(g.shutdown(1s));
    ASSERT(how == status::host_gone);
    ASSERT_TALLY(0, 1, t);
}

TEST(a_host_that_is_stuck_is_reported) {
    queue_host host;
    struct report {
        latch_t told = LATCH;
        std::thread::id thread{};
        std::chrono::nanoseconds time{};
    } report;
    asyncguest::options options;
    options.stall_after = 20ms;
    options.on_stall = [&](asyncguest::stall kind, std::chrono::nanoseconds time) {
        if (kind != asyncguest::stall::delivering)
            return; // this machine was slow
        report.time = time;
        report.thread = std::this_thread::get_id();
        latch_open(&report.told);
    };
    guest g(host, std::move(options));
    bool returned = false;
    g.post([&] {
        latch_wait(&report.told, 1); // this callback does not return
        returned = true;
    });
    host.run_until([&] { return returned; });
    ASSERT(report.time >= 20ms && report.thread != std::this_thread::get_id());
}
