// A socket with an owner, and what this system calls the rest of them.
#ifndef SOCKETS_HPP
#define SOCKETS_HPP

#include <asyncguest.hpp>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

#if defined(_WIN32)
inline int socket_error() {
    return WSAGetLastError();
}
constexpr int would_block = WSAEWOULDBLOCK, connecting = WSAEWOULDBLOCK, interrupted = WSAEINTR;
constexpr int no_sigpipe = 0, both_ways = SD_BOTH;
#else
#include <fcntl.h>
#include <unistd.h>

inline int socket_error() {
    return errno;
}
constexpr int would_block = EAGAIN, connecting = EINPROGRESS, interrupted = EINTR;
constexpr int no_sigpipe = MSG_NOSIGNAL, both_ways = SHUT_RDWR;
#endif

[[noreturn]] inline void fail(const std::string &what, int error) {
    throw std::runtime_error(what + ": " + std::system_category().message(error));
}

/// Closes its socket, which does not block. A task that is cancelled destroys it with its frame, after what waited for it.
class socket_handle {
public:
    explicit socket_handle(const asyncguest::address &for_address) : fd_(make(for_address)) {}
    socket_handle(socket_handle &&other) noexcept : fd_(std::exchange(other.fd_, none)) {}
    ~socket_handle() {
        if (fd_ == none)
            return;
#if defined(_WIN32)
        closesocket(fd_);
#else
        close(fd_);
#endif
    }
    guest_os_fd_t fd() const { return fd_; }

private:
    static constexpr guest_os_fd_t none = static_cast<guest_os_fd_t>(-1);

    static guest_os_fd_t make(const asyncguest::address &a) {
#if defined(_WIN32)
        static WSADATA data;
        static const int started = WSAStartup(MAKEWORD(2, 2), &data);
        if (started != 0)
            fail("WSAStartup", started);
        const guest_os_fd_t made = socket(a.family(), a.socktype(), a.protocol());
        u_long yes = 1;
        if (made != none)
            ioctlsocket(made, FIONBIO, &yes);
#else
        const guest_os_fd_t made = socket(a.family(), a.socktype() | SOCK_NONBLOCK | SOCK_CLOEXEC, a.protocol());
#endif
        if (made == none)
            fail("socket", socket_error());
        return made;
    }

    guest_os_fd_t fd_;
};

#endif
