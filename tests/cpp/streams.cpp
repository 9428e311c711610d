// Hazards of coroutines that wait for streams, listeners and datagrams: frames that are destroyed while they wait, streams
// that are destroyed while others wait for them, bytes that a cancelled read had already.
#include "sockets.hpp"
#include "strangers.hpp"
#include "victim.hpp"

// Gives what was thrown, by the name of its status; "ok" if nothing was.
template <class A> static task<std::string> status_of(A awaitable) {
    try {
        co_await awaitable();
    } catch (const asyncguest::error &e) {
        co_return guest_status_name(e.code().value());
    }
    co_return "ok";
}

// Runs a task to its end; what it throws comes out.
static void run(guest &g, task<> work) {
    outcome<void> came;
    bool ended = false;
    g.spawn(std::move(work), [&](outcome<void> o) {
        came = std::move(o);
        ended = true;
    });
    run_until(g, [&] { return ended; });
    came.get();
}

static task<> echo(stream s) {
    for (std::string bytes; !(bytes = co_await s.read()).empty();)
        co_await s.write(std::move(bytes));
    s.shutdown();
}

static task<> serve(listener &door, scope &peers, int count) {
    for (int i = 0; i < count; i++) {
        stream s = co_await door.accept();
        peers.spawn(echo(std::move(s)));
    }
}

static task<> talk(guest &g, unsigned port, std::string word) {
    stream s = co_await g.connect("localhost", int(port), {/* no_delay */ true});
    ASSERT_EQ_U64(port, s.peer().port());
    for (int i = 0; i < 20; i++) {
        co_await s.write(word + "\n");
        std::string line = co_await s.read_until("\n");
        ASSERT(line == word + "\n");
    }
    const std::string lot = plenty();
    auto sending = [](stream &s, const std::string &lot) -> task<> {
        co_await s.write(lot);
        s.shutdown();
    };
    auto reading = [](stream &s, const std::string &lot) -> task<> {
        std::string first = co_await s.read_exactly(lot.size() - 10), rest(20, '-');
        ASSERT(first == lot.substr(10));
        size_t size = 0;
        while (size_t more = co_await s.read(rest.data() + size, 4))
            size += more;
        ASSERT_EQ_U64(10, size);
        ASSERT_EQ_STR("pppppppppp----------", rest.c_str());
    };
    co_await when_all(sending(s, lot), reading(s, lot));
    std::string nothing = co_await s.read();
    ASSERT_EQ_STR("", nothing.c_str());
}

TEST(streams_echo_for_many) {
    guest g;
    listener door = g.listen("", 0);
    scope peers(g);
    run(g, [](guest &g, listener &door, scope &peers) -> task<> {
        std::vector<task<>> clients;
        for (int i = 0; i < 8; i++)
            clients.push_back(talk(g, door.local().port(), std::string(size_t(i) * 100 + 1, 'w')));
        auto all = when_all(std::move(clients));
        peers.spawn(serve(door, peers, 8));
        co_await all;
    }(g, door, peers));
    run_until(g, [&] { return peers.empty(); });
}

// Each wait, ended in each way; what it waited for is closed, and what was there stays.
TEST(streams_cancel_while_it_waits) {
    for (int what = 0; what < 5; what++)
        for (int way = 0; way < ways; way++) {
            victim v;
            guest &g = *v.g;
            refusing port;
            auto e = std::make_unique<ends>(g);
            listener door = g.listen("127.0.0.1", 0);
            datagram_socket udp = g.bind_udp("127.0.0.1", 0);
            if (what == 0)
                v.tasks->spawn(around(v.log, [&] { return e->near.read(); }));
            else if (what == 1)
                v.tasks->spawn(around(v.log, [&] { return e->near.write(plenty()); }));
            else if (what == 2)
                v.tasks->spawn(around(v.log, [&] { return g.connect("127.0.0.1", port.port); }));
            else if (what == 3)
                v.tasks->spawn(around(v.log, [&] { return door.accept(); }));
            else
                v.tasks->spawn(around(v.log, [&] { return udp.receive(); }));
            v.end(way);
            ASSERT(v.log == inner_first);
            if (way >= 2)
                continue;
            if (what == 0) { // it may be read again
                e->say("x");
                std::string came;
                e->near.read([&](outcome<std::string> o) { came = o.get(); });
                run_until(g, [&] { return came == "x"; });
            } else if (what == 1) { // it is sent all the same
                size_t size = 0;
                run_until(g, [&] {
                    std::string more = e->hear();
                    return (size += more == "-" ? 0 : more.size()) == plenty().size();
                });
            }
        }
}

TEST(streams_cancelled_read_loses_nothing) {
    guest g;
    ends e(g);
    scope tasks(g);
    auto exactly = [](stream &s) -> task<> {
        co_await s.read_exactly(10);
        FAIL("it was cancelled");
    };
    tasks.spawn(exactly(e.near));
    e.say("half");
    run_until(g, [&] { return e.near.info().received == 4; });
    tasks.cancel();
    e.say("more"); // nobody reads: it stays in the system
    ASSERT_OK(g.deliver());
    ASSERT_EQ_U64(4, e.near.info().received);
    run(g, [](ends &e) -> task<> {
        std::string first = co_await e.near.read_exactly(2);
        std::string rest = co_await e.near.read();
        std::string more = co_await e.near.read();
        ASSERT_EQ_STR("half", (first + rest).c_str());
        ASSERT_EQ_STR("more", more.c_str());
    }(e));
}

// The stream is destroyed while others wait for it: they are told, in a delivery and not inside.
TEST(streams_destroyed_while_others_wait) {
    guest g;
    ends e(g);
    listener door = g.listen("127.0.0.1", 0);
    datagram_socket udp = g.bind_udp("127.0.0.1", 0);
    names log;
    auto waits = [](names &log, auto make) -> task<> {
        std::string how = co_await status_of(make);
        log.push_back(how);
    };
    g.spawn(waits(log, [&] { return e.near.read(); }));
    g.spawn(waits(log, [&] { return e.near.write(plenty()); }));
    g.spawn(waits(log, [&] { return door.accept(); }));
    g.spawn(waits(log, [&] { return udp.receive(); }));
    e.near.close();
    door = listener();
    udp.close();
    ASSERT(log.empty());
    run_until(g, [&] { return log.size() == 4; });
    ASSERT(log == names(4, "GUEST_ECLOSED"));
    std::string how;
    auto late = [](std::string &how, ends &e) -> task<> { how = co_await status_of([&] { return e.near.read(); }); };
    run(g, late(how, e));
    ASSERT_EQ_STR("GUEST_ESTALE", how.c_str());
}

// And those who would be told are cancelled before.
TEST(streams_destroyed_and_then_cancelled) {
    for (int way = 0; way < ways; way++) {
        victim v;
        ends e(*v.g);
        v.tasks->spawn(around(v.log, [&] { return e.near.read(); }));
        v.tasks->spawn(around(v.log, [&] { return e.near.write(plenty()); }));
        e.near.close();
        v.end(way);
        ASSERT_EQ_U64(6, v.log.size());
        if (way < 2)
            ASSERT_OK(v.g->deliver());
    }
}

TEST(streams_connections_that_fail) {
    guest g;
    refusing port;
    run(g, [](guest &g, refusing &port) -> task<> {
        int os_error = 0, gai_error = 0;
        try {
            co_await g.connect("127.0.0.1", port.port);
        } catch (const asyncguest::error &e) {
            os_error = e.os_error();
        }
        ASSERT_EQ_I64(ECONNREFUSED, os_error);
        try {
            co_await g.connect("not a name", 80);
        } catch (const asyncguest::resolve_error &e) {
            gai_error = e.gai_error();
        }
        ASSERT(gai_error != 0);
        std::string how = co_await status_of([&] { return g.connect_unix("/nowhere/at/all"); });
        ASSERT_EQ_STR("GUEST_EOS", how.c_str());
        how = co_await status_of([&] { return g.connect(std::vector<address>()); });
        ASSERT_EQ_STR("GUEST_EINVAL", how.c_str());
    }(g, port));
    ASSERT_EQ_U64(1, g.stats().live_sources); // the keeper of tasks
}

TEST(streams_break_while_tasks_wait) {
    guest g;
    ends e(g);
    run(g, [](ends &e) -> task<> {
        std::string line = (e.say("no end of line"), co_await status_of([&] { return e.near.read_until("\n", 5); }));
        ASSERT_EQ_STR("GUEST_ESIZE", line.c_str());
        auto hanging_up = [](ends &e) -> task<> {
            e.hang_up();
            co_return;
        };
        auto writing = [](ends &e) -> task<> {
            std::string how = co_await status_of([&] { return e.near.write(plenty()); });
            ASSERT_EQ_STR("GUEST_EOS", how.c_str());
            how = co_await status_of([&] { return e.near.write("more"); });
            ASSERT_EQ_STR("GUEST_ECLOSED", how.c_str());
        };
        co_await when_all(writing(e), hanging_up(e));
        std::string rest = co_await e.near.read();
        ASSERT_EQ_STR("no end of line", rest.c_str());
    }(e));
}

// A stream that dies with the frame that reads it, inside its own callback: by an exception, by its scope's end, by the guest's.
TEST(streams_die_with_their_frame) {
    for (int way = 0; way < 4; way++) {
        names log;
        asyncguest::options o;
        o.on_exception = [&] { log.push_back("thrown"); };
        auto g = std::make_unique<guest>(std::move(o));
        auto tasks = std::make_unique<scope>(*g);
        auto e = std::make_unique<ends>(*g);
        auto reads = [](stream s, names &log, std::function<void()> end) -> task<> {
            mark m(log, "frame");
            co_await s.read();
            end();
            co_await s.read();
            FAIL("it has ended");
        };
        tasks->spawn(reads(std::move(e->near), log, [&, way] {
            if (way == 0)
                throw std::runtime_error("the end");
            if (way == 1)
                tasks->cancel();
            else if (way == 2)
                tasks.reset();
            else
                g.reset();
        }));
        e->say("x");
        guest *running = g.get();
        run_until(*running, [&] { return !log.empty() || !g; });
        ASSERT_EQ_STR("frame", log[0].c_str());
        if (g) {
            run_until(*g, [&] { return e->hear().empty(); });
            ASSERT_EQ_U64(way == 0 ? 2 : 1, log.size());
        }
    }
}

// A dialog inside a read: the others go on, this stream's bytes wait.
TEST(streams_and_a_dialog) {
    poll_host host;
    guest g(host);
    ends a(g), b(g);
    names log;
    auto opens = [](poll_host &host, stream &s, names &log) -> task<> {
        log.push_back(co_await s.read());
        host.run_until([&] { return log.size() == 3; });
        log.push_back("closed");
        log.push_back(co_await s.read());
    };
    auto reads = [](stream &s, names &log) -> task<> {
        for (int i = 0; i < 2; i++)
            log.push_back(co_await s.read_exactly(1));
    };
    g.spawn(opens(host, a.near, log));
    g.spawn(reads(b.near, log));
    a.say("dialog");
    auto timer = g.after(1ms, [&] {
        a.say("late");
        b.say("12");
    });
    host.run_until([&] { return log.size() == 5; });
    ASSERT((log == names{"dialog", "1", "2", "closed", "late"}));
}

// Coroutine types of other people's.
TEST(streams_in_foreign_coroutines) {
    guest g;
    ends e(g);
    names log;
    auto reads = [](guest &g, ends &e, names &log) -> detached {
        log.push_back(co_await e.near.read_until("\n"));
        co_await e.near.write("answer");
        refusing port;
        log.push_back(co_await status_of([&] { return g.connect("127.0.0.1", port.port); }));
    };
    reads(g, e, log);
    e.say("question\n");
    run_until(g, [&] { return log.size() == 2; });
    ASSERT((log == names{"question\n", "GUEST_EOS"}));
    ASSERT_EQ_STR("answer", e.hear().c_str());
}

TEST(streams_datagrams) {
    guest g;
    run(g, [](guest &g) -> task<> {
        datagram_socket a = g.bind_udp("127.0.0.1", 0), b = g.bind_udp("127.0.0.1", 0);
        b.send(a.local(), "ping");
        datagram ping = co_await a.receive();
        ASSERT_EQ_STR("ping", ping.bytes.c_str());
        a.send(ping.from, "pong");
        datagram pong = co_await b.receive();
        ASSERT_EQ_STR("pong", pong.bytes.c_str());
        ASSERT_EQ_U64(a.local().port(), pong.from.port());
    }(g));
}

TEST(streams_one_reader_at_a_time) {
    guest g;
    ends e(g);
    run(g, [](ends &e) -> task<> {
        auto first = [](ends &e) -> task<> {
            std::string text = co_await e.near.read_exactly(4);
            ASSERT_EQ_STR("word", text.c_str());
        };
        auto second = [](ends &e) -> task<> {
            std::string how = co_await status_of([&] { return e.near.read(); });
            ASSERT_EQ_STR("GUEST_EORDER", how.c_str());
            e.say("word");
        };
        co_await when_all(first(e), second(e));
        auto sending = e.near.write("x");
        co_await sending;
        std::string how = "none";
        try {
            co_await sending;
        } catch (const asyncguest::error &e) {
            how = guest_status_name(e.code().value());
        }
        ASSERT_EQ_STR("GUEST_EORDER", how.c_str());
    }(e));
}
