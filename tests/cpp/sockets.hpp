// Two ends of a connection: a stream of the binding's, and a plain socket.
#ifndef SOCKETS_HPP
#define SOCKETS_HPP

#include "loops.hpp"

#include <sys/socket.h>
#include <sys/un.h>

using asyncguest::address;
using asyncguest::datagram;
using asyncguest::datagram_socket;
using asyncguest::incomplete_read;
using asyncguest::listener;
using asyncguest::stream;
using asyncguest::stream_options;

struct ends {
    int far;
    stream near;

    explicit ends(guest &g, stream_options o = {}) {
        int fds[2];
        MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
        far = fds[0];
        near = g.adopt_stream(fds[1], o);
        MUST(fcntl(far, F_SETFL, O_NONBLOCK));
    }
    ends(const ends &) = delete;
    ~ends() { hang_up(); }

    void say(const std::string &bytes) { ASSERT_EQ_I64(long(bytes.size()), MUST(::send(far, bytes.data(), bytes.size(), MSG_NOSIGNAL))); }
    void hang_up() {
        if (far >= 0)
            close(far);
        far = -1;
    }
    // What has come there; "" at the end, "-" if nothing has.
    std::string hear() {
        std::string bytes(1 << 20, '\0');
        auto got = recv(far, bytes.data(), bytes.size(), 0);
        if (got < 0)
            return errno == EAGAIN ? "-" : strerror(errno);
        return bytes.substr(0, size_t(got));
    }
};

// More than any socket takes at once.
inline std::string plenty() {
    return std::string(4 << 20, 'p');
}

// A port of this machine where nobody listens, as long as this lives.
struct refusing {
    int fd;
    int port;

    refusing() {
        fd = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        MUST(bind(fd, reinterpret_cast<sockaddr *>(&at), size));
        MUST(getsockname(fd, reinterpret_cast<sockaddr *>(&at), &size));
        port = ntohs(at.sin_port);
    }
    refusing(const refusing &) = delete;
    ~refusing() { close(fd); }
};

// Gives what an outcome holds, or the status that it was refused with.
template <class T> std::string told(outcome<T> came) {
    try {
        if constexpr (std::is_void_v<T>)
            return came.get(), "ok";
        else
            return came.get();
    } catch (const asyncguest::error &e) {
        return guest_status_name(e.code().value());
    }
}

// Waits for one read.
template <class F> std::string wait_for(guest &g, F start) {
    std::string came = "nothing";
    bool calls = false;
    start([&](outcome<std::string> o) {
        ASSERT(!calls);
        calls = true;
        came = told(std::move(o));
    });
    ASSERT(!calls); // never inside
    run_until(g, [&] { return calls; });
    return came;
}

#endif
