// Asio, standalone or Boost's (ASYNCGUEST_BOOST_ASIO); see scenarios.hpp.
#include <asyncguest/asio.hpp>

#ifdef ASYNCGUEST_ASIO_IS_BOOST
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/version.hpp>
#define ASIO_KIND "Boost.Asio (C++)"
#define ASIO_NUMBER BOOST_ASIO_VERSION
#else
#include <asio/steady_timer.hpp>
#include <asio/version.hpp>
#define ASIO_KIND "Asio (C++)"
#define ASIO_NUMBER ASIO_VERSION
#endif

#include "scenarios.hpp"

namespace {

namespace net = asyncguest::asio;

struct asio_loop {
    using host_type = asyncguest::asio_host;
    static constexpr const char *name = ASIO_KIND;
    static std::string version() {
        return std::to_string(ASIO_NUMBER / 100000) + "." + std::to_string(ASIO_NUMBER / 100 % 1000) + "." +
               std::to_string(ASIO_NUMBER % 100);
    }

    asyncguest::drive how;
    net::io_context io{1};
    bool open = false;

    asio_loop(int &, char **, asyncguest::drive how) : how(how) {}

    std::unique_ptr<host_type> make() { return std::make_unique<host_type>(io, how); }
    void run(host_type &host) {
        auto work = net::make_work_guard(io);
        io.restart();
        host.run();
    }
    void quit() { io.stop(); }
    void later(int ms, std::function<void()> f) {
        auto timer = std::make_shared<net::steady_timer>(io, std::chrono::milliseconds(ms));
        timer->async_wait([timer, f](asyncguest::asio_error) { f(); });
    }
    const char *no_modal() { return nullptr; }
    void modal() {
        for (open = true; open;)
            io.run_one();
    }
    void end_modal() { open = false; }
    std::unique_ptr<host_type> begin_own() { return make(); }
    void own_loop() {
        io.restart();
        io.run();
    }
    bool guest_ends_with_own_loop() { return false; }
    int frames() { return -1; }
    bool animated = false;
    void animate(bool) {}
    bool steps() { return false; }
    const char *lose() { return "Asio loses no handler"; }
    void settle() {
        io.restart();
        io.poll();
    }
};

} // namespace

int main(int argc, char **argv) {
    return run_host<asio_loop>(argc, argv);
}
