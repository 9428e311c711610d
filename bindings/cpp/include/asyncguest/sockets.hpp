// How a guest makes streams, listeners and sockets for datagrams. Host thread only.
#ifndef ASYNCGUEST_SOCKETS_HPP
#define ASYNCGUEST_SOCKETS_HPP

#include "guest.hpp"

namespace asyncguest {
namespace detail {

/// A function of asyncguest.h that makes a stream, with what it connects to. The wait of a coroutine keeps it: hence no template.
using opener = std::function<guest_status_t(guest_t *, const guest_stream_options_t *, void *, guest_drop_fn, guest_id_t *)>;

inline opener to_name(std::string node, service port) {
    return [node = std::move(node), port = std::move(port)](guest_t *g, auto... rest) {
        return guest_stream_connect(g, text_or_null(node), text_or_null(port.name), rest...);
    };
}

inline opener to_addresses(const std::vector<address> &to) {
    std::vector<guest_address_t> raw;
    for (const address &a : to)
        raw.push_back(a.raw());
    return [raw = std::move(raw)](guest_t *g, auto... rest) {
        return guest_stream_connect_to(g, raw.data(), raw.size(), rest...);
    };
}

inline opener to_path(std::string path) {
    return [path = std::move(path)](guest_t *g, auto... rest) {
        return guest_stream_connect_unix(g, path.c_str(), rest...);
    };
}

inline std::shared_ptr<stream_state> open(const std::shared_ptr<core> &c, const stream_options &o, const opener &call) {
    return stream_state::make(c, o, [&](auto... rest) { return call(c->g, rest...); });
}

template <class F> stream open_calling(const std::shared_ptr<core> &c, const stream_options &o, const opener &call, F &&f) {
    auto told = std::make_unique<calling<waiter<void>, void, std::decay_t<F>>>(std::forward<F>(f));
    auto made = open(c, o, call);
    made->opening.join(*told.release());
    return stream(std::move(made));
}

/// A listener or a socket for datagrams: H, by `call(guest, data, drop, id_out)`.
template <class H, class S, class Call> H make_inlet(std::shared_ptr<S> made, Call call) {
    made->enrol_by([&](auto... rest) { return call(made->home->g, rest...); });
    return H(std::move(made));
}

template <class Call> listener make_listener(const std::shared_ptr<core> &c, const listen_options &o, Call call) {
    auto raw = sized<guest_listener_options_t>();
    raw.backlog = o.backlog;
    raw.flags = (o.v6_only ? GUEST_LISTENER_V6ONLY : 0u) | (o.reuse_port ? GUEST_LISTENER_REUSEPORT : 0u);
    return make_inlet<listener>(std::make_shared<listener_state>(c, o.streams), [&](guest_t *g, auto... rest) {
        return call(g, &raw, &listener_state::on_offer, rest...);
    });
}

} // namespace detail

template <class F, class> stream guest::connect(const std::string &node, const service &port, F &&f, stream_options o) {
    return detail::open_calling(core_, o, detail::to_name(node, port), std::forward<F>(f));
}

template <class F, class> stream guest::connect(const std::vector<address> &to, F &&f, stream_options o) {
    return detail::open_calling(core_, o, detail::to_addresses(to), std::forward<F>(f));
}

template <class F, class> stream guest::connect_unix(const std::string &path, F &&f, stream_options o) {
    return detail::open_calling(core_, o, detail::to_path(path), std::forward<F>(f));
}

inline stream guest::adopt_stream(guest_os_fd_t fd, stream_options o) {
    return stream(detail::open(core_, o, [fd](guest_t *g, auto... rest) { return guest_stream_adopt(g, fd, rest...); }));
}

inline listener guest::listen(const std::string &node, const service &port, listen_options o) {
    return detail::make_listener(core_, o, [&](guest_t *g, auto... rest) {
        return guest_listener_tcp(g, detail::text_or_null(node), detail::text_or_null(port.name), rest...);
    });
}

inline listener guest::listen_unix(const std::string &path, listen_options o) {
    return detail::make_listener(core_, o, [&](guest_t *g, auto... rest) { return guest_listener_unix(g, path.c_str(), rest...); });
}

inline listener guest::adopt_listener(guest_os_fd_t fd, listen_options o) {
    return detail::make_listener(core_, o, [&](guest_t *g, const guest_listener_options_t *, auto... rest) {
        return guest_listener_adopt(g, fd, rest...);
    });
}

inline datagram_socket guest::bind_udp(const std::string &node, const service &port, datagram_options o) {
    uint32_t flags = (o.v6_only ? GUEST_UDP_V6ONLY : 0u) | (o.reuse_port ? GUEST_UDP_REUSEPORT : 0u) |
                     (o.broadcast ? GUEST_UDP_BROADCAST : 0u);
    return detail::make_inlet<datagram_socket>(std::make_shared<detail::datagram_state>(core_, o.kept), [&](guest_t *g, auto... rest) {
        return guest_udp_bind(g, detail::text_or_null(node), detail::text_or_null(port.name), flags,
                              &detail::datagram_state::on_datagram, rest...);
    });
}

inline datagram_socket guest::adopt_udp(guest_os_fd_t fd, datagram_options o) {
    return detail::make_inlet<datagram_socket>(std::make_shared<detail::datagram_state>(core_, o.kept), [&](guest_t *g, auto... rest) {
        return guest_udp_adopt(g, fd, &detail::datagram_state::on_datagram, rest...);
    });
}

} // namespace asyncguest

#endif
