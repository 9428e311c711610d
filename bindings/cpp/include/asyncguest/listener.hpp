// listener: takes connections for those who ask. Host thread only.
#ifndef ASYNCGUEST_LISTENER_HPP
#define ASYNCGUEST_LISTENER_HPP

#include "inlet.hpp"
#include "stream.hpp"

namespace asyncguest {

/// How a listener shall behave.
struct listen_options {
    unsigned backlog = 0;     ///< how many connections may wait in the system; 0: 1024
    bool v6_only = false;     ///< IPv6: takes no IPv4 connections
    bool reuse_port = false;  ///< several sockets may listen at the address, and share what comes
    stream_options streams{}; ///< of those that it accepts
};

#if ASYNCGUEST_HAS_COROUTINES
template <class S> class arriving;
#endif

namespace detail {

class listener_state final : public inlet<listener_state, stream> {
public:
    listener_state(std::shared_ptr<core> c, stream_options o) : inlet(std::move(c)), streams_(o) {}

    static void on_offer(guest_t *g, guest_id_t listener, guest_status_t status, int32_t os_error, void *data) {
        auto held = of(data);
        if (status != GUEST_OK)
            return held->waits.tell(failed<stream>(connection_error(status, os_error)));
        held->arrived(stream(stream_state::make(held->home, held->streams_, [&](auto *options, void *state, guest_drop_fn drop, guest_id_t *id) {
            return guest_stream_accept(g, listener, options, state, drop, id);
        })));
        if (held->kept()) // nobody waits: the next ones stay in the system
            demand(guest_listener_pause(g, listener));
    }

    void ask() { demand(guest_listener_resume(live(), id)); }

    guest_listener_info_t info() const {
        return asked<guest_listener_info_t>([&](auto *to) { return guest_listener_info(live(), id, to); });
    }

private:
    const stream_options streams_;
};

} // namespace detail

/// Made by guest::listen and its sisters. Of the connections that come while nobody waits, one is kept, unread, and the rest
/// stays in the system, up to the backlog; destroying the listener closes them all. What it has given goes on.
class listener : public detail::handle<detail::listener_state> {
public:
    using handle::handle;

    /// The next connection; one at a time. When none can be accepted just now, for want of fds, that is an error of
    /// status::os, told once; the listener goes on, and so may the one who waits.
    template <class F, class = detail::enable_callback<F, outcome<stream>>> void accept(F &&f) {
        state()->join_callable(std::forward<F>(f));
    }
#if ASYNCGUEST_HAS_COROUTINES // see socket_await.hpp
    arriving<detail::listener_state> accept();
#endif

    /// Where it listens: the port that the system has chosen, too.
    address local() const { return address(info().local); }
    guest_listener_info_t info() const { return state()->info(); }
};

} // namespace asyncguest

#endif
