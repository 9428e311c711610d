// An echo server on streams, without a toolkit; it knows Ctrl-C, and peers that fall asleep.
//
//   echo PORT    serves until Ctrl-C
//   echo         serves itself: a hundred connections at once, and counts what they got back
#include <asyncguest.hpp>

#include <csignal>
#include <cstdio>

using namespace std::chrono_literals;
using namespace asyncguest;

namespace {

/// One peer, until it has said all, or has said nothing for a minute.
task<> echo(guest &g, stream s) {
    timer patience = g.after(1min, [&] { s.close(); }); // the read below throws status::closed then
    for (std::string bytes; !(bytes = co_await s.read()).empty(); patience.arm(1min))
        co_await s.write(std::move(bytes));
    s.finish();
}

task<> serve(guest &g, listener &door, scope &peers) {
    for (;;) {
        try {
            stream s = co_await door.accept();
            peers.spawn(echo(g, std::move(s)), [](outcome<void>) {}); // how a peer ends is its own affair
        } catch (const error &e) {
            if (e.code() != status::os)
                throw;
            std::fprintf(stderr, "%s\n", e.what()); // no fd is left: the next accept waits until one is
        }
    }
}

task<size_t> ask(guest &g, unsigned port) {
    const std::string words(10000, 'w');
    stream s = co_await g.connect("127.0.0.1", int(port));
    co_await s.write(words);
    s.shutdown();
    std::string answer = co_await s.read_exactly(words.size());
    co_return answer == words ? answer.size() : 0;
}

task<> ask_a_lot(guest &g, unsigned port) {
    std::vector<task<size_t>> clients;
    for (int i = 0; i < 100; i++)
        clients.push_back(ask(g, port));
    auto all = when_all(std::move(clients));
    size_t sum = 0;
    for (size_t bytes : co_await all)
        sum += bytes;
    std::printf("100 connections, %zu bytes came back\n", sum);
    g.cancel();
}

} // namespace

int main(int argc, char **argv) try {
    guest g;
    listener door = g.listen(argc > 1 ? "" : "127.0.0.1", argc > 1 ? argv[1] : "0");
    scope peers(g);
    source interrupt = g.on_signal(SIGINT, [&] { g.cancel(); });
    g.spawn(serve(g, door, peers));
    if (argc > 1)
        std::printf("port %u\n", door.local().port());
    else
        g.spawn(ask_a_lot(g, door.local().port()));
    g.run();
} catch (const error &e) {
    std::fprintf(stderr, "echo: %s\n", e.what());
    return 1;
}
