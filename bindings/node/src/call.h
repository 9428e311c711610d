// What the methods of the class have in common: who is called, what was registered. JavaScript thread only.
#pragma once

#include "guest.h"

namespace agn {

// The arguments and the living guest, or an exception.
struct Call {
    Arguments a;
    Guest *guest = nullptr;
    guest_t *g = nullptr;

    bool read(napi_env env, napi_callback_info info)
    {
        return a.read(env, info) && (guest = Guest::of(env, a.self)) && (g = guest->living());
    }
};

// The id of what was registered; if that failed, the source is given back and an exception thrown.
napi_value registered(napi_env env, guest_status_t status, const char *call, Source *source, guest_id_t id);
napi_value checked(napi_env env, guest_status_t status, const char *call);

// Methods of streams.cpp.
napi_value connect_stream(napi_env env, napi_callback_info info);
napi_value accept_stream(napi_env env, napi_callback_info info);
napi_value write_stream(napi_env env, napi_callback_info info);
napi_value pause_stream(napi_env env, napi_callback_info info);
napi_value shutdown_stream(napi_env env, napi_callback_info info);
napi_value stream_info(napi_env env, napi_callback_info info);
napi_value listen_stream(napi_env env, napi_callback_info info);
napi_value pause_listener(napi_env env, napi_callback_info info);
napi_value listener_info(napi_env env, napi_callback_info info);

} // namespace agn
