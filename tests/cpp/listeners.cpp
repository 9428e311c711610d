// Hazards of listeners and sockets for datagrams: what comes while nobody waits is lost, or kept without a limit; callables that are
// called inside, or after their end.
#include "sockets.hpp"

// Clients of a listener, each of which stands before the next begins and says its number.
static std::vector<stream> clients_of(guest &g, const listener &door, int count) {
    std::vector<stream> clients;
    int standing = 0;
    for (int i = 0; i < count; i++) {
        clients.push_back(g.connect("127.0.0.1", int(door.local().port()), [&] { standing++; }));
        clients.back().send(std::to_string(i));
        run_until(g, [&] { return standing == i + 1; });
    }
    return clients;
}

// What was ready has been told, and only so many were taken from the system.
static void still_offered(guest &g, uint64_t count, const listener &door) {
    for (int i = 0; i < 3; i++) {
        bool turn = false;
        g.post([&] { turn = true; });
        run_until(g, [&] { return turn; });
    }
    ASSERT_EQ_U64(count, door.info().accepted);
}

// Connections that come while nobody waits: one is kept, the rest stays in the system, and all come in order.
TEST(listener_leaves_in_the_system_what_nobody_waits_for) {
    guest g;
    listener door = g.listen("127.0.0.1", 0);
    std::vector<stream> taken, clients = clients_of(g, door, 5);
    still_offered(g, 1, door);
    auto take = [&](outcome<stream> o) { taken.push_back(o.get()); };
    door.accept([&](outcome<stream> o) {
        take(std::move(o));
        door.accept([&](outcome<stream> second) {
            take(std::move(second));
            door.accept(take);
        });
    });
    ASSERT(taken.empty());
    run_until(g, [&] { return taken.size() == 3 && door.info().accepted == 4; });
    still_offered(g, 4, door);
    for (size_t i = 0; i < 3; i++) {
        ASSERT_EQ_STR(std::to_string(i).c_str(), wait_for(g, [&](auto f) { taken[i].read(f); }).c_str());
        ASSERT_EQ_U64(clients[i].local().port(), taken[i].peer().port());
    }
    tally waiting;
    door.accept(counting(waiting)); // the fourth
    run_until(g, [&] { return waiting.drops == 1; });
    ASSERT_TALLY(1, 1, waiting);
    ASSERT_EQ_STR("GUEST_EOS", wait_for(g, [&](auto f) { clients[3].read(f); }).c_str()); // closed with bytes that nobody read
    still_offered(g, 4, door);
    door.accept(take);
    run_until(g, [&] { return taken.size() == 4; });
    ASSERT_EQ_STR("4", wait_for(g, [&](auto f) { taken[3].read(f); }).c_str());
    tally last;
    door.accept(counting(last));
    ASSERT_THROWS(status::order, door.accept(counting(last)));
    door.close();
    ASSERT_TALLY(0, 2, last);
    ASSERT_EQ_STR("2", (taken[2].send("2"), wait_for(g, [&](auto f) { clients[2].read(f); }).c_str())); // what it gave goes on
}

TEST(listener_closes_with_it_what_nobody_has_taken) {
    guest g;
    listener door = g.listen("127.0.0.1", 0);
    std::vector<stream> clients = clients_of(g, door, 3);
    still_offered(g, 1, door);
    door.close();
    for (stream &client : clients)
        ASSERT_EQ_STR("GUEST_EOS", wait_for(g, [&](auto f) { client.read(f); }).c_str());
}

TEST(listener_at_a_path_and_of_an_fd) {
    guest g;
    std::string path = "/tmp/asyncguest-cpp-" + std::to_string(getpid());
    listener door = g.listen_unix(path);
    ASSERT_THROWS(status::os, g.listen_unix(path));
    stream here, there;
    auto meet = [&](listener &at) {
        bool stands = false;
        at.accept([&](outcome<stream> o) { there = o.get(); });
        here = g.connect_unix(path, [&](outcome<void> o) { o.get(), stands = true; });
        run_until(g, [&] { return stands && there.is_open(); });
        here.send("x");
        ASSERT_EQ_STR("x", wait_for(g, [&](auto f) { there.read(f); }).c_str());
        there.close();
    };
    meet(door);
    int fd = MUST(dup(door.info().fd));
    door.close();
    listener again = g.adopt_listener(fd);
    meet(again);
    unlink(path.c_str());
    ASSERT_THROWS(status::os, g.adopt_listener(-1));
    ASSERT_THROWS(status::invalid, g.listen("no number", 0));
}

TEST(datagrams) {
    guest g;
    datagram_socket a = g.bind_udp("127.0.0.1", 0, {/* kept */ 2}), b = g.bind_udp("127.0.0.1", 0);
    for (const char *text : {"one", "two", "three"})
        b.send(a.local(), text);
    run_until(g, [&] { return a.info().received == 3; });
    ASSERT_EQ_U64(1, a.lost());
    std::vector<std::string> came;
    std::function<void(outcome<datagram>)> next = [&](outcome<datagram> o) {
        datagram d = o.get();
        ASSERT_EQ_U64(b.local().port(), d.from.port());
        came.push_back(d.bytes);
        if (came.size() < 3)
            a.receive(next);
    };
    a.receive(next);
    ASSERT(came.empty());
    run_until(g, [&] { return came.size() == 2; });
    b.send(a.local(), "");
    run_until(g, [&] { return came.size() == 3; });
    ASSERT((came == std::vector<std::string>{"one", "two", ""}));
    ASSERT_THROWS(status::os, b.send(a.local(), std::string(1 << 17, 'x')));
    ASSERT_THROWS(status::os, b.send("to nobody"));
    int fd = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    refusing port;
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(uint16_t(port.port));
    MUST(connect(fd, reinterpret_cast<sockaddr *>(&at), sizeof at));
    datagram_socket c = g.adopt_udp(fd);
    int os_error = 0;
    c.receive([&](outcome<datagram> o) {
        try {
            o.get();
        } catch (const asyncguest::error &e) {
            os_error = e.os_error();
        }
    });
    c.send("nobody hears");
    run_until(g, [&] { return os_error != 0; });
    ASSERT_EQ_I64(ECONNREFUSED, os_error);
    ASSERT(c.is_open());
}
