// Hazards of streams with callables: called twice, never, inside the call that registers them, or after their end; bytes lost
// between two reads; writes whose end nobody hears of.
#include "sockets.hpp"

TEST(stream_reads_lose_nothing_in_between) {
    guest g;
    ends e(g);
    auto read = [&] { return wait_for(g, [&](auto f) { e.near.read(f); }); };
    auto exactly = [&](size_t n) { return wait_for(g, [&](auto f) { e.near.read_exactly(n, f); }); };
    auto until = [&](const char *d, size_t limit = 100) { return wait_for(g, [&](auto f) { e.near.read_until(d, f, limit); }); };
    e.say("one\r\ntwo\r\n\r\nthree");
    ASSERT_EQ_STR("one\r\n", until("\r\n").c_str());
    ASSERT_EQ_STR("tw", exactly(2).c_str());
    ASSERT_EQ_STR("", exactly(0).c_str());
    ASSERT_EQ_STR("o\r\n\r\n", until("\r\n\r\n").c_str());
    ASSERT_EQ_STR("GUEST_ESIZE", until("!", 5).c_str());
    ASSERT_EQ_STR("three", read().c_str());
    e.say("a\r"); // a delimiter in two pieces
    std::string line;
    e.near.read_until("\r\n", [&](outcome<std::string> o) { line = told(std::move(o)); });
    ASSERT_THROWS(status::order, e.near.read([] {})); // one at a time
    run_until(g, [&] { return e.near.info().received == 19; });
    e.say("\nrest");
    run_until(g, [&] { return !line.empty(); });
    ASSERT_EQ_STR("a\r\n", line.c_str());
    e.hang_up();
    ASSERT_EQ_STR("GUEST_ECLOSED", exactly(5).c_str());
    ASSERT_EQ_STR("GUEST_ECLOSED", until("\n").c_str());
    ASSERT_EQ_STR("rest", read().c_str());
    ASSERT_EQ_STR("", read().c_str());
    ASSERT_EQ_STR("", read().c_str());
    ASSERT_THROWS(status::invalid, e.near.read_until("", [] {}));
}

// Nobody reads: nothing is taken from the system.
TEST(stream_is_paused_while_nobody_reads) {
    guest g;
    ends e(g);
    int calls = 0;
    std::string some = std::string(100, 's');
    e.near.read_exactly(100, [&] { calls++; });
    e.say(some);
    run_until(g, [&] { return calls == 1; });
    e.say(some);
    e.near.read_exactly(1, [&] { // inside the delivery of another read
        calls++;
        e.near.read_exactly(99, [&] { calls++; });
    });
    run_until(g, [&] { return calls == 3; });
    uint64_t taken = e.near.info().received;
    ASSERT_EQ_U64(200, taken);
    e.say(some);
    g.post([&] { calls++; });
    run_until(g, [&] { return calls == 4; });
    ASSERT_OK(g.deliver());
    ASSERT_EQ_U64(taken, e.near.info().received);
    ASSERT_EQ_U64(300, e.near.info().received + some.size());
}

// A host that is away while a read waits: the I/O thread reads ahead, up to the limit, and all is told in order.
TEST(stream_is_read_ahead_while_the_host_is_away) {
    queue_host host;
    guest g(host);
    stream_options options;
    options.read_ahead = 1000;
    ends e(g, options);
    std::string said, heard;
    for (int i = 0; said.size() < 3000; i++)
        said += std::to_string(i);
    e.near.read_exactly(said.size(), [&](outcome<std::string> o) { heard = told(std::move(o)); });
    e.say(said);
    for (uint64_t stop = guest_now() + limit(SECONDS(10)); e.near.info().read_ahead < options.read_ahead; std::this_thread::yield())
        ASSERT(guest_now() < stop);
    ASSERT_EQ_U64(options.read_ahead, e.near.info().read_ahead);
    host.run_until([&] { return !heard.empty(); });
    ASSERT_EQ_STR(said.c_str(), heard.c_str());
}

TEST(stream_writes_are_told_once_and_in_order) {
    guest g;
    ends e(g);
    std::string log, all;
    for (int i = 0; i < 3; i++) {
        e.near.write(i == 1 ? plenty() : std::to_string(i), [&log, i](outcome<void> sent) { log += std::to_string(i) + told(std::move(sent)); });
        ASSERT(log.empty());
    }
    e.near.send("!");
    e.near.shutdown();
    ASSERT_THROWS(status::order, e.near.write("late", [] { FAIL("refused and told"); }));
    ASSERT(e.near.queued() > 1);
    run_until(g, [&] {
        std::string more = e.hear();
        if (more != "-")
            all += more;
        return log.size() == 9 && all.size() == plenty().size() + 3;
    });
    ASSERT_EQ_STR("0ok1ok2ok", log.c_str());
    ASSERT(all == "0" + plenty() + "2!");
    run_until(g, [&] { return e.hear().empty(); });
    e.say("half-open");
    ASSERT_EQ_STR("half-open", wait_for(g, [&](auto f) { e.near.read(f); }).c_str());
}

// It is destroyed: what was written to it is given up, and nothing is called.
TEST(stream_destroyed_with_all_in_flight) {
    guest g;
    tally read, write, opened;
    refusing port;
    {
        ends e(g);
        e.near.write(plenty(), counting(write));
        e.near.read(counting(read));
        stream never = g.connect("127.0.0.1", port.port, counting(opened));
    }
    ASSERT_TALLY(0, 1, read); // at once
    ASSERT_TALLY(0, 1, opened);
    run_until(g, [&] { return write.drops == 1; });
    ASSERT_TALLY(0, 1, write);
    ASSERT_EQ_U64(0, g.stats().live_sources);
}

TEST(stream_finish_sends_all) {
    guest g;
    ends e(g);
    tally read;
    std::string log, all;
    e.near.write(plenty(), [&](outcome<void> sent) { log = told(std::move(sent)); });
    e.near.read(counting(read));
    e.near.finish();
    ASSERT_TALLY(0, 1, read);
    ASSERT(!e.near.is_open());
    ASSERT_THROWS(status::stale, e.near.finish());
    run_until(g, [&] {
        std::string more = e.hear();
        all += more == "-" ? "" : more;
        return more.empty();
    });
    ASSERT(all == plenty());
    run_until(g, [&] { return g.stats().live_sources == 0; });
    ASSERT_EQ_STR("ok", log.c_str());
}

// Inside each of its callables; and the guest with it.
TEST(stream_destroyed_inside_its_callables) {
    for (int which = 0; which < 3; which++)
        for (bool whole : {false, true}) {
            auto g = std::make_unique<guest>();
            auto e = std::make_unique<ends>(*g);
            listener door = g->listen("127.0.0.1", 0);
            tally inside, beside;
            auto end = [&] {
                if (whole)
                    g.reset();
                else
                    e.reset();
            };
            if (which == 0) {
                e->say("x");
                e->near.read(counting(inside, end));
                e->near.write(plenty(), counting(beside));
            } else if (which == 1) {
                e->near.write("x", counting(inside, end));
                e->near.read(counting(beside));
            } else {
                e->near = g->connect("127.0.0.1", int(door.local().port()), counting(inside, end));
                e->near.read(counting(beside));
            }
            guest *running = g.get();
            run_until(*running, [&] { return inside.drops || !g; });
            if (g)
                run_until(*g, [&] { return beside.drops == 1; });
            ASSERT_TALLY(1, 1, inside);
            ASSERT_TALLY(0, 1, beside);
        }
}

TEST(stream_of_a_guest_that_ends) {
    stream near, late;
    listener door;
    datagram_socket udp;
    tally read, write, accept, receive;
    {
        guest g;
        ends e(g);
        door = g.listen("127.0.0.1", 0);
        udp = g.bind_udp("127.0.0.1", 0);
        door.accept(counting(accept));
        udp.receive(counting(receive));
        e.near.read(counting(read));
        e.near.write(plenty(), counting(write));
        near = std::move(e.near);
        ASSERT(near.is_open() && !e.near.is_open());
        ASSERT(g.shutdown(1s));
        ASSERT_THROWS(status::closed, g.connect("127.0.0.1", 1, [] {}));
        ASSERT_THROWS(status::closed, near.read([] {}));
    }
    for (tally *t : {&read, &write, &accept, &receive})
        ASSERT_TALLY(0, 1, *t);
    ASSERT(!near.is_open() && !door.is_open() && !udp.is_open());
    ASSERT_THROWS(status::closed, near.send("x"));
    ASSERT_THROWS(status::closed, near.write("x", [] {}));
    ASSERT_THROWS(status::closed, near.shutdown());
    ASSERT_THROWS(status::closed, door.accept([] {}));
    ASSERT_THROWS(status::closed, udp.receive([] {}));
    ASSERT_THROWS(status::stale, late.read([] {}));
    ASSERT_THROWS(status::stale, late.send("x"));
    near.close();
}

// What callables throw leaves the delivery, and the stream is whole.
TEST(stream_callables_that_throw) {
    struct thrown {};
    guest g;
    ends e(g);
    int caught = 0;
    auto deliver_until = [&](int n) {
        for (uint64_t stop = guest_now() + limit(SECONDS(10)); caught != n;) {
            ASSERT(guest_now() < stop);
            try {
                g.run(5ms);
            } catch (thrown) {
                caught++;
            }
        }
    };
    e.say("abc");
    e.near.read_exactly(1, [] { throw thrown(); });
    deliver_until(1);
    e.near.read_exactly(1, [] { throw thrown(); }); // of what has come already
    deliver_until(2);
    e.near.write("x", [] { throw thrown(); });
    deliver_until(3);
    ASSERT_EQ_STR("c", wait_for(g, [&](auto f) { e.near.read(f); }).c_str());
    refusing port; // two are told of one end
    stream never = g.connect("127.0.0.1", port.port, [] { throw thrown(); });
    std::string read;
    never.read([&](outcome<std::string> o) { read = told(std::move(o)); });
    deliver_until(4);
    run_until(g, [&] { return !read.empty(); });
    ASSERT_EQ_STR("GUEST_EOS", read.c_str());
}

TEST(stream_connections_that_fail) {
    guest g;
    refusing port;
    std::string log;
    int os_error = 0;
    auto opened = [&](outcome<void> stands) {
        try {
            stands.get();
            log = "stands";
        } catch (const asyncguest::resolve_error &e) {
            ASSERT(e.gai_error() != 0 && e.code() == status::resolve);
            log = "no name";
        } catch (const asyncguest::error &e) {
            os_error = e.os_error();
            log = "error";
            ASSERT(strstr(e.what(), "refused") || strstr(e.what(), "No such file"));
        }
    };
    stream s = g.connect("127.0.0.1", port.port, opened);
    run_until(g, [&] { return !log.empty(); });
    ASSERT_EQ_STR("error", log.c_str());
    ASSERT_EQ_I64(ECONNREFUSED, os_error);
    ASSERT(!s.is_open());
    ASSERT_THROWS(status::os, s.send("x")); // why it has ended
    ASSERT_EQ_STR("GUEST_EOS", wait_for(g, [&](auto f) { s.read(f); }).c_str());
    log.clear();
    s = g.connect("not a name", 80, opened);
    run_until(g, [&] { return !log.empty(); });
    ASSERT_EQ_STR("no name", log.c_str());
    log.clear();
    s = g.connect_unix("/nowhere/at/all", opened);
    run_until(g, [&] { return !log.empty(); });
    ASSERT_EQ_I64(ENOENT, os_error);
    ASSERT_THROWS(status::invalid, g.connect_unix("", opened));
    ASSERT_THROWS(status::invalid, g.connect(std::vector<address>(), opened));
    ASSERT_THROWS(status::os, g.adopt_stream(-1));
    ASSERT_EQ_U64(0, g.stats().live_sources);
}

TEST(stream_that_breaks) {
    guest g;
    ends e(g);
    std::string log;
    e.say("last words");
    e.hang_up();
    e.near.write("into the void", [&](outcome<void> sent) { log = told(std::move(sent)); });
    run_until(g, [&] { return !log.empty(); });
    ASSERT_EQ_STR("GUEST_EOS", log.c_str());
    ASSERT_THROWS(status::closed, e.near.write("more", [] { FAIL("refused and told"); }));
    ASSERT_EQ_STR("last words", wait_for(g, [&](auto f) { e.near.read(f); }).c_str());
    ASSERT_EQ_STR("", wait_for(g, [&](auto f) { e.near.read(f); }).c_str());
}
