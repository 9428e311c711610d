// Addresses that names resolve to. Any thread.
#ifndef ASYNCGUEST_ADDRESS_HPP
#define ASYNCGUEST_ADDRESS_HPP

#include "error.hpp"
#include "outcome.hpp"

#include <string>
#include <vector>

#if defined(_WIN32)
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#endif

namespace asyncguest {

/// One address, ready for socket(), connect() and bind():
///     int fd = socket(a.family(), a.socktype() | SOCK_NONBLOCK, a.protocol());
///     connect(fd, a.data(), a.size());
class address {
public:
    explicit address(const guest_address_t &raw) : raw_(raw) {}

    int family() const noexcept { return raw_.family; }
    int socktype() const noexcept { return raw_.socktype; }
    int protocol() const noexcept { return raw_.protocol; }
    const sockaddr *data() const noexcept { return reinterpret_cast<const sockaddr *>(raw_.sockaddr); }
    socklen_t size() const noexcept { return static_cast<socklen_t>(raw_.length); }

    /// For calls of asyncguest.h.
    const guest_address_t &raw() const noexcept { return raw_; }

    /// In host byte order; 0 if the family has none.
    unsigned port() const noexcept {
        if (raw_.family == AF_INET)
            return ntohs(reinterpret_cast<const sockaddr_in *>(raw_.sockaddr)->sin_port);
        if (raw_.family == AF_INET6)
            return ntohs(reinterpret_cast<const sockaddr_in6 *>(raw_.sockaddr)->sin6_port);
        return 0;
    }

    /// The address in numbers, "127.0.0.1" or "::1".
    std::string to_string() const {
        char text[NI_MAXHOST];
        int failed = getnameinfo(data(), size(), text, sizeof text, nullptr, 0, NI_NUMERICHOST);
        return failed ? "address of family " + std::to_string(family()) : text;
    }

private:
    guest_address_t raw_;
};

/// A port number, a name such as "http", or none.
struct service {
    std::string name;

    service() = default;
    service(std::string text) : name(std::move(text)) {}
    service(const char *text) : name(text) {}
    service(int port) : name(std::to_string(port)) {}
};

/// What kind of addresses to ask for; the fields of getaddrinfo's hints.
struct resolve_hints {
    int family = AF_UNSPEC;
    int socktype = SOCK_STREAM;
    int flags = 0;
};

namespace detail {

/// What the system says of getaddrinfo's codes.
inline std::string gai_message(int gai_error) {
#if defined(_WIN32) // where gai_strerror is not for threads, and with UNICODE gives wide text
    return std::system_category().message(gai_error);
#else
    return gai_strerror(gai_error);
#endif
}

} // namespace detail

/// A name that cannot be resolved. `code()` is status::resolve.
class resolve_error : public error {
public:
    explicit resolve_error(int gai_error)
        : error(status::resolve, std::string("the name could not be resolved: ") + detail::gai_message(gai_error)),
          gai_error_(gai_error) {}

    /// getaddrinfo's code: EAI_NONAME, ...
    int gai_error() const noexcept { return gai_error_; }

private:
    int gai_error_;
};

using addresses = outcome<std::vector<address>>;

namespace detail {

inline const char *text_or_null(const std::string &text) {
    return text.empty() ? nullptr : text.c_str();
}

/// The arguments of guest_resolve_fn.
inline addresses resolved(guest_status_t status, int32_t gai_error, const guest_address_t *first, size_t count) noexcept {
    addresses result;
    result.run([&] {
        if (status != GUEST_OK)
            throw resolve_error(gai_error);
        return std::vector<address>(first, first + count);
    });
    return result;
}

} // namespace detail
} // namespace asyncguest

#endif
