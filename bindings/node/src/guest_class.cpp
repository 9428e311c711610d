// The class that JavaScript sees (lib/guest.js wraps it): methods, argument checks, callbacks of sources.
// JavaScript thread only.
#include "call.h"

#ifndef _WIN32
#include <netdb.h>
#include <arpa/inet.h>
#endif
#include <cstring>

namespace agn {
namespace {

napi_value construct(napi_env env, napi_callback_info info)
{
    Arguments a;
    if (a.read(env, info))
        Guest::start(env, a.self, a.at[0], a.at[1]);
    return a.self;
}

// A timer's expirations, or an fd's events.
template <class T> void on_number(guest_t *, guest_id_t, T value, void *data)
{
    auto *source = static_cast<Source *>(data);
    HandleScope scope(source->guest->env());
    napi_value argument = number(source->guest->env(), double(value));
    source->guest->call(source->callback, 1, &argument);
}

#ifndef _WIN32
napi_value address_object(napi_env env, const guest_address_t &address)
{
    char host[64] = "", port[16] = "";
    auto *sockaddr = reinterpret_cast<const struct sockaddr *>(address.sockaddr);
    getnameinfo(sockaddr, address.length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    napi_value object = nullptr, buffer = nullptr, raw = nullptr;
    void *bytes = nullptr;
    napi_create_object(env, &object);
    napi_create_arraybuffer(env, address.length, &bytes, &buffer);
    if (!bytes)
        return object;
    memcpy(bytes, address.sockaddr, address.length);
    napi_create_typedarray(env, napi_uint8_array, address.length, buffer, 0, &raw);
    set(env, object, "address", text(env, host));
    set(env, object, "port", number(env, atoi(port)));
    set(env, object, "family", number(env, address.family == AF_INET6 ? 6 : 4));
    set(env, object, "sockaddr", raw);
    return object;
}

// Calls back with (null, addresses) or (message, undefined).
void on_resolved(guest_t *, guest_id_t, guest_status_t status, int32_t gai_error, const guest_address_t *addresses,
                 size_t count, void *data)
{
    auto *source = static_cast<Source *>(data);
    napi_env env = source->guest->env();
    HandleScope scope(env);
    napi_value arguments[2];
    if (status == GUEST_OK) {
        napi_get_null(env, &arguments[0]);
        napi_create_array_with_length(env, count, &arguments[1]);
        for (size_t i = 0; i < count; i++)
            napi_set_element(env, arguments[1], uint32_t(i), address_object(env, addresses[i]));
    } else {
        arguments[0] = text(env, gai_strerror(gai_error));
        arguments[1] = undefined(env);
    }
    source->guest->call(source->callback, 2, arguments);
}

// resolve(node | null, service | null, family 0|4|6, passive, callback)
napi_value resolve(napi_env env, napi_callback_info info)
{
    Call c;
    std::string texts[2];
    const char *names[2] = {"host", "port"}, *given[2] = {nullptr, nullptr};
    int64_t family = 0, flags = 0;
    if (!c.read(env, info))
        return nullptr;
    for (int i = 0; i < 2; i++) {
        napi_valuetype type = napi_undefined;
        napi_typeof(env, c.a.at[i], &type);
        if (type == napi_null)
            continue;
        if (!read_text(env, c.a.at[i], names[i], &texts[i]))
            return nullptr;
        given[i] = texts[i].c_str();
    }
    if (!read_integer(env, c.a.at[2], "family", 0, 6, &family) ||
        !read_integer(env, c.a.at[3], "passive", 0, 1, &flags))
        return nullptr;
    int wanted = family == 6 ? AF_INET6 : family == 4 ? AF_INET : AF_UNSPEC;
    return c.add(env, c.a.at[4], "guest_resolve", [&](Source *source, guest_id_t *id) {
        return guest_resolve(c.g, given[0], given[1], wanted, SOCK_STREAM, flags ? AI_PASSIVE : 0, on_resolved, source,
                             Guest::drop_source, id);
    });
}
#else
napi_value resolve(napi_env env, napi_callback_info)
{
    return throw_error(env, "GUEST_ENOTSUP", "resolve is not available on this system");
}
#endif

// addTimer(delay, period, callback): id
napi_value add_timer(napi_env env, napi_callback_info info)
{
    Call c;
    uint64_t delay = 0, period = 0;
    if (!c.read(env, info) || !read_milliseconds(env, c.a.at[0], "delay", &delay) ||
        !read_milliseconds(env, c.a.at[1], "period", &period))
        return nullptr;
    return c.add(env, c.a.at[2], "guest_timer_add", [&](Source *source, guest_id_t *id) {
        return guest_timer_add(c.g, delay, period, on_number<uint64_t>, source, Guest::drop_source, id);
    });
}

// modifyTimer(id, delay, period)
napi_value modify_timer(napi_env env, napi_callback_info info)
{
    Call c;
    guest_id_t id = 0;
    uint64_t delay = 0, period = 0;
    if (!c.read(env, info, &id) || !read_milliseconds(env, c.a.at[1], "delay", &delay) ||
        !read_milliseconds(env, c.a.at[2], "period", &period))
        return nullptr;
    return checked(env, guest_timer_modify(c.g, id, delay, period), "guest_timer_modify");
}

// addFd(fd, events, callback): id
napi_value add_fd(napi_env env, napi_callback_info info)
{
    Call c;
    int64_t fd = 0, events = 0;
    if (!c.read(env, info) || !read_integer(env, c.a.at[0], "fd", 0, INT32_MAX, &fd) ||
        !read_integer(env, c.a.at[1], "events", 0, UINT32_MAX, &events))
        return nullptr;
    return c.add(env, c.a.at[2], "guest_fd_add", [&](Source *source, guest_id_t *id) {
        return guest_fd_add(c.g, guest_os_fd_t(fd), uint32_t(events), on_number<uint32_t>, source, Guest::drop_source,
                            id);
    });
}

// modifyFd(id, events)
napi_value modify_fd(napi_env env, napi_callback_info info)
{
    Call c;
    guest_id_t id = 0;
    int64_t events = 0;
    if (!c.read(env, info, &id) || !read_integer(env, c.a.at[1], "events", 0, UINT32_MAX, &events))
        return nullptr;
    return checked(env, guest_fd_modify(c.g, id, uint32_t(events)), "guest_fd_modify");
}

// closeSource(id): whether it was open. Harmless when the guest has ended.
napi_value close_source(napi_env env, napi_callback_info info)
{
    Call c;
    guest_id_t id = 0;
    napi_value result = nullptr;
    if (!c.read_any(env, info) || !read_id(env, c.a.at[0], &id))
        return nullptr;
    guest_status_t status = c.guest->raw() ? guest_close(c.guest->raw(), id) : GUEST_ESTALE;
    if (status != GUEST_OK && status != GUEST_ESTALE)
        return throw_status(env, status, "guest_close");
    napi_get_boolean(env, status == GUEST_OK, &result);
    return result;
}

// cancel(): harmless when repeated and when the guest has ended.
napi_value cancel(napi_env env, napi_callback_info info)
{
    Call c;
    if (!c.read_any(env, info))
        return nullptr;
    return c.guest->raw() ? checked(env, guest_cancel(c.guest->raw()), "guest_cancel") : undefined(env);
}

// shutdown(timeout)
napi_value shutdown(napi_env env, napi_callback_info info)
{
    Call c;
    uint64_t timeout = 0;
    if (!c.read_any(env, info) || !read_milliseconds(env, c.a.at[0], "timeout", &timeout))
        return nullptr;
    return c.guest->raw() ? checked(env, c.guest->shutdown(timeout), "guest_shutdown") : undefined(env);
}

// keepAlive(yes)
napi_value keep_alive(napi_env env, napi_callback_info info)
{
    Call c;
    bool yes = false;
    if (!c.read_any(env, info) || !ok(env, napi_get_value_bool(env, c.a.at[0], &yes)))
        return nullptr;
    c.guest->keep_alive(yes);
    return undefined(env);
}

// leave(): at 'exit'.
napi_value leave(napi_env env, napi_callback_info info)
{
    Call c;
    if (c.read_any(env, info))
        c.guest->leave();
    return undefined(env);
}

napi_value stats(napi_env env, napi_callback_info info)
{
    Call c;
    guest_stats_t figures;
    if (!c.read_any(env, info))
        return nullptr;
    c.guest->stats(&figures);
    return stats_object(env, figures);
}

napi_value native(napi_env env, napi_callback_info info)
{
    Call c;
    return c.read(env, info) ? c.guest->native() : nullptr;
}

} // namespace

napi_value checked(napi_env env, guest_status_t status, const char *call)
{
    return status == GUEST_OK ? undefined(env) : throw_status(env, status, call);
}

bool define_guest(napi_env env, napi_value exports)
{
    const napi_property_descriptor methods[] = {
#define METHOD(name, function) {name, nullptr, function, nullptr, nullptr, nullptr, napi_default_method, nullptr}
        METHOD("addTimer", add_timer),
        METHOD("modifyTimer", modify_timer),
        METHOD("addFd", add_fd),
        METHOD("modifyFd", modify_fd),
        METHOD("resolve", resolve),
        METHOD("closeSource", close_source),
        METHOD("cancel", cancel),
        METHOD("shutdown", shutdown),
        METHOD("keepAlive", keep_alive),
        METHOD("leave", leave),
        METHOD("stats", stats),
        METHOD("native", native),
        METHOD("connectStream", connect_stream),
        METHOD("acceptStream", accept_stream),
        METHOD("writeStream", write_stream),
        METHOD("pauseStream", pause_stream),
        METHOD("shutdownStream", shutdown_stream),
        METHOD("streamInfo", stream_info),
        METHOD("listenStream", listen_stream),
        METHOD("pauseListener", pause_listener),
        METHOD("listenerInfo", listener_info),
#undef METHOD
    };
    napi_value guest_class = nullptr;
    if (!ok(env, napi_define_class(env, "NativeGuest", NAPI_AUTO_LENGTH, construct, nullptr,
                                   sizeof methods / sizeof *methods, methods, &guest_class)))
        return false;
    return ok(env, napi_set_named_property(env, exports, "NativeGuest", guest_class));
}

} // namespace agn
