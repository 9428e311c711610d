// Streams and listeners of the guest, for lib/socket.js. A stream has one JavaScript function, which is called with
// (kind, value, error number); a write has its own. JavaScript thread only.
#include "call.h"

#include <cstring>
#include <new>
#include <vector>

#ifndef _WIN32
#include <netdb.h>
#include <sys/socket.h>
#else
#include <winsock2.h>
#include <ws2tcpip.h>
#endif

namespace agn {
namespace {

enum Kind { OPENED, DATA, END, CLOSED }; // as in lib/socket.js

void tell(Source *source, Kind kind, napi_value value, int32_t os_error)
{
    napi_env env = source->guest->env();
    napi_value arguments[] = {number(env, kind), value, number(env, os_error)};
    source->guest->call(source->callback, 3, arguments);
}

void on_opened(guest_t *, guest_id_t, void *data)
{
    auto *source = static_cast<Source *>(data);
    HandleScope scope(source->guest->env());
    tell(source, OPENED, undefined(source->guest->env()), 0);
}

void on_read(guest_t *g, guest_id_t id, const void *bytes, size_t size, void *data)
{
    auto *source = static_cast<Source *>(data);
    napi_env env = source->guest->env();
    HandleScope scope(env);
    napi_value buffer = nullptr;
    if (size == 0)
        tell(source, END, undefined(env), 0);
    else if (napi_create_buffer_copy(env, size, bytes, nullptr, &buffer) == napi_ok)
        tell(source, DATA, buffer, 0);
    else { // no memory, or the environment ends: a stream with a gap is none
        guest_close(g, id);
        tell(source, CLOSED, number(env, GUEST_ENOMEM), 0);
    }
}

void on_closed(guest_t *, guest_id_t, guest_status_t status, int32_t os_error, void *data)
{
    auto *source = static_cast<Source *>(data);
    HandleScope scope(source->guest->env());
    tell(source, CLOSED, number(source->guest->env(), status), os_error);
}

// With `ahead`, the value of readAhead. Throws and returns false if that is none.
bool read_options(napi_env env, napi_value ahead, guest_stream_options_t *out)
{
    int64_t bytes = 0;
    if (!read_integer(env, ahead, "readAhead", 0, UINT32_MAX, &bytes))
        return false;
    *out = {};
    out->struct_size = sizeof *out;
    out->opened = on_opened;
    out->read = on_read;
    out->closed = on_closed;
    out->flags = GUEST_STREAM_PAUSED | GUEST_STREAM_NODELAY; // an answer should not wait for a timer
    out->read_ahead = uint64_t(bytes);
    return true;
}

// The address as text, its port as a number; `prefix` begins the names of the properties.
void set_address(napi_env env, napi_value object, const std::string &prefix, const guest_address_t &address)
{
    char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
    auto *name = reinterpret_cast<const struct sockaddr *>(address.sockaddr);
    if (address.length == 0 || getnameinfo(name, socklen_t(address.length), host, sizeof host, port, sizeof port,
                                           NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    set(env, object, (prefix + "Address").c_str(), text(env, host));
    set(env, object, (prefix + "Port").c_str(), number(env, atoi(port)));
}

// One write: its function, and the bytes, which are copied, since JavaScript may change or give away its own meanwhile.
struct Writing {
    Source *source;
    std::vector<uint8_t> bytes;

    ~Writing() { Guest::drop_source(source); }
};

// Calls back with (status, error number).
void on_offer(guest_t *, guest_id_t, guest_status_t status, int32_t os_error, void *data)
{
    auto *source = static_cast<Source *>(data);
    napi_env env = source->guest->env();
    HandleScope scope(env);
    napi_value arguments[] = {number(env, status), number(env, os_error)};
    source->guest->call(source->callback, 2, arguments);
}

// The same; not when the stream is closed, as its owner knows.
void on_written(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *data)
{
    std::unique_ptr<Writing> writing(static_cast<Writing *>(data));
    if (status != GUEST_ECLOSED)
        on_offer(g, id, status, os_error, writing->source);
}

using Change = guest_status_t (*)(guest_t *, guest_id_t);

// (id, yes): one of two functions of the C ABI, with its name.
napi_value pause(napi_env env, napi_callback_info info, Change pause, const char *pauses, Change resume,
                 const char *resumes)
{
    Call c;
    guest_id_t id = 0;
    bool yes = false;
    if (!c.read(env, info, &id) || !ok(env, napi_get_value_bool(env, c.a.at[1], &yes)))
        return nullptr;
    return checked(env, (yes ? pause : resume)(c.g, id), yes ? pauses : resumes);
}

// (id): an object with the local address, of the figures that `ask`, `call` of the C ABI, has given.
template <class Figures>
napi_value look(napi_env env, napi_callback_info info, guest_status_t (*ask)(const guest_t *, guest_id_t, Figures *),
                const char *call, Figures *out)
{
    Call c;
    guest_id_t id = 0;
    *out = {};
    out->struct_size = sizeof *out;
    napi_value object = nullptr;
    if (!c.read(env, info, &id) || !checked(env, ask(c.g, id, out), call) || !ok(env, napi_create_object(env, &object)))
        return nullptr;
    set_address(env, object, "local", out->local);
    return object;
}

} // namespace

// connectStream(addresses, readAhead, callback): id. `addresses`: an array of what resolve() calls `sockaddr`.
napi_value connect_stream(napi_env env, napi_callback_info info)
{
    Call c;
    uint32_t count = 0;
    guest_stream_options_t o;
    if (!c.read(env, info) || !ok(env, napi_get_array_length(env, c.a.at[0], &count)) ||
        !read_options(env, c.a.at[1], &o))
        return nullptr;
    std::vector<guest_address_t> addresses(count);
    for (uint32_t i = 0; i < count; i++) {
        napi_value one = nullptr;
        uint8_t *bytes = nullptr;
        size_t size = 0;
        if (!ok(env, napi_get_element(env, c.a.at[0], i, &one)) || !read_bytes(env, one, "sockaddr", &bytes, &size))
            return nullptr;
        if (size < sizeof(struct sockaddr) || size > sizeof addresses[i].sockaddr)
            return throw_type(env, "sockaddr must be what resolve() has found");
        memcpy(addresses[i].sockaddr, bytes, size);
        addresses[i].length = uint32_t(size);
        addresses[i].family = reinterpret_cast<struct sockaddr *>(addresses[i].sockaddr)->sa_family;
    }
    return c.add(env, c.a.at[2], "guest_stream_connect_to", [&](Source *source, guest_id_t *id) {
        return guest_stream_connect_to(c.g, addresses.data(), count, &o, source, Guest::drop_source, id);
    });
}

// acceptStream(listener, readAhead, callback): id. Inside the listener's callback.
napi_value accept_stream(napi_env env, napi_callback_info info)
{
    Call c;
    guest_id_t listener = 0;
    guest_stream_options_t o;
    if (!c.read(env, info, &listener) || !read_options(env, c.a.at[1], &o))
        return nullptr;
    return c.add(env, c.a.at[2], "guest_stream_accept", [&](Source *source, guest_id_t *id) {
        return guest_stream_accept(c.g, listener, &o, source, Guest::drop_source, id);
    });
}

// writeStream(id, chunks, callback). `chunks`: an array of Uint8Array.
napi_value write_stream(napi_env env, napi_callback_info info)
{
    Call c;
    guest_id_t id = 0;
    uint32_t count = 0;
    if (!c.read(env, info, &id) || !ok(env, napi_get_array_length(env, c.a.at[1], &count)))
        return nullptr;
    Source *source = c.guest->make_source(c.a.at[2]);
    if (!source)
        return nullptr;
    auto writing = std::unique_ptr<Writing>(new Writing{source, {}});
    for (uint32_t i = 0; i < count; i++) {
        HandleScope scope(env);
        napi_value one = nullptr;
        uint8_t *bytes = nullptr;
        size_t size = 0;
        if (!ok(env, napi_get_element(env, c.a.at[1], i, &one)) || !read_bytes(env, one, "chunk", &bytes, &size))
            return nullptr;
        try {
            writing->bytes.insert(writing->bytes.end(), bytes, bytes + size);
        } catch (const std::bad_alloc &) {
            return throw_error(env, "GUEST_ENOMEM",
                               "there is no memory for a copy of what is written: write less at a time");
        }
    }
    guest_buffer_t buffer = {writing->bytes.data(), writing->bytes.size()};
    guest_status_t status = guest_stream_write(c.g, id, &buffer, 1, on_written, writing.get());
    if (status != GUEST_OK)
        return throw_status(env, status, "guest_stream_write");
    writing.release(); // on_written's
    return undefined(env);
}

// pauseStream(id, yes)
napi_value pause_stream(napi_env env, napi_callback_info info)
{
    return pause(env, info, guest_stream_pause, "guest_stream_pause", guest_stream_resume, "guest_stream_resume");
}

// shutdownStream(id)
napi_value shutdown_stream(napi_env env, napi_callback_info info)
{
    Call c;
    guest_id_t id = 0;
    return c.read(env, info, &id) ? checked(env, guest_stream_shutdown(c.g, id), "guest_stream_shutdown") : nullptr;
}

// streamInfo(id): the names of both ends, and how many bytes have passed
napi_value stream_info(napi_env env, napi_callback_info info)
{
    guest_stream_info_t figures;
    napi_value object = look(env, info, guest_stream_info, "guest_stream_info", &figures);
    if (!object)
        return nullptr;
    set_address(env, object, "remote", figures.peer);
    set(env, object, "bytesRead", number(env, double(figures.received)));
    set(env, object, "bytesWritten", number(env, double(figures.sent)));
    return object;
}

// listenStream(address in numbers, port, backlog, readAhead, callback): id. Calls back with (status, error number) for
// each connection that is offered, and when none can be accepted. `readAhead` is acceptStream's, which cannot say to its
// caller that it is wrong.
napi_value listen_stream(napi_env env, napi_callback_info info)
{
    Call c;
    std::string node, service;
    int64_t backlog = 0;
    guest_stream_options_t of_streams;
    if (!c.read(env, info) || !read_text(env, c.a.at[0], "host", &node) ||
        !read_text(env, c.a.at[1], "port", &service) ||
        !read_integer(env, c.a.at[2], "backlog", 1, INT32_MAX, &backlog) || !read_options(env, c.a.at[3], &of_streams))
        return nullptr;
    guest_listener_options_t o = {};
    o.struct_size = sizeof o;
    o.backlog = uint32_t(backlog);
    return c.add(env, c.a.at[4], "guest_listener_tcp", [&](Source *source, guest_id_t *id) {
        return guest_listener_tcp(c.g, node.c_str(), service.c_str(), &o, on_offer, source, Guest::drop_source, id);
    });
}

// pauseListener(id, yes)
napi_value pause_listener(napi_env env, napi_callback_info info)
{
    return pause(env, info, guest_listener_pause, "guest_listener_pause", guest_listener_resume,
                 "guest_listener_resume");
}

// listenerInfo(id): where it listens
napi_value listener_info(napi_env env, napi_callback_info info)
{
    guest_listener_info_t figures;
    return look(env, info, guest_listener_info, "guest_listener_info", &figures);
}

} // namespace agn
