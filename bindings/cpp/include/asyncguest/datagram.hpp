// datagram_socket: UDP. Host thread only.
#ifndef ASYNCGUEST_DATAGRAM_HPP
#define ASYNCGUEST_DATAGRAM_HPP

#include "address.hpp"
#include "inlet.hpp"
#include "stream.hpp"

#include <string_view>

namespace asyncguest {

/// One that came, and from where.
struct datagram {
    address from;
    std::string bytes;
};

/// How a socket for datagrams shall behave.
struct datagram_options {
    std::size_t kept = 64;   ///< how many that nobody waits for are kept; what comes then is lost, as where a network is full
    bool v6_only = false;    ///< IPv6: takes and sends no IPv4
    bool reuse_port = false; ///< several sockets may be bound to the address
    bool broadcast = false;  ///< it may send to all hosts of a network at once
};

#if ASYNCGUEST_HAS_COROUTINES
template <class S> class arriving;
#endif

namespace detail {

class datagram_state final : public inlet<datagram_state, datagram> {
public:
    datagram_state(std::shared_ptr<core> c, std::size_t kept) : inlet(std::move(c)), limit_(kept) {}

    static void on_datagram(guest_t *, guest_id_t, guest_status_t status, int32_t os_error, const guest_address_t *from,
                            const void *bytes, size_t size, void *data) {
        auto held = of(data);
        if (status != GUEST_OK)
            held->waits.tell(failed<datagram>(connection_error(status, os_error)));
        else if (held->waits.get() || held->kept() < held->limit_)
            held->arrived({address(*from), std::string(static_cast<const char *>(bytes), size)});
        else
            held->lost++;
    }

    /// It has never stopped, but may have ended.
    void ask() const { live(); }

    guest_udp_info_t info() const {
        return asked<guest_udp_info_t>([&](auto *to) { return guest_udp_info(live(), id, to); });
    }

    uint64_t lost = 0;

private:
    const std::size_t limit_;
};

} // namespace detail

/// Made by guest::bind_udp and guest::adopt_udp.
class datagram_socket : public detail::handle<detail::datagram_state> {
public:
    using handle::handle;

    /// Sends one, now or not at all: throws status::os, with EAGAIN when the system takes no more just now.
    void send(const address &to, std::string_view bytes) { send(&to.raw(), bytes); }
    /// The same to where info().fd was connected.
    void send(std::string_view bytes) { send(nullptr, bytes); }

    /// The next datagram; or an error of status::os if one that was sent has come to nothing, as the system has heard
    /// (ECONNREFUSED, ...): the socket goes on. One at a time.
    template <class F, class = detail::enable_callback<F, outcome<datagram>>> void receive(F &&f) {
        state()->join_callable(std::forward<F>(f));
    }
#if ASYNCGUEST_HAS_COROUTINES // see socket_await.hpp
    arriving<detail::datagram_state> receive();
#endif

    /// How many came that nobody waited for, and were not kept.
    uint64_t lost() const { return state()->lost; }
    address local() const { return address(info().local); }
    guest_udp_info_t info() const { return state()->info(); }

private:
    void send(const guest_address_t *to, std::string_view bytes) {
        guest_buffer_t buffer{bytes.data(), bytes.size()};
        detail::demand(guest_udp_send(state()->live(), id(), to, &buffer, 1));
    }
};

} // namespace asyncguest

#endif
