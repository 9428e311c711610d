// What the methods of the class have in common: who is called, what was registered. JavaScript thread only.
#pragma once

#include "guest.h"

namespace agn {

napi_value checked(napi_env env, guest_status_t status, const char *call);

// The arguments and the guest, or an exception.
struct Call {
    Arguments a;
    Guest *guest = nullptr;
    guest_t *g = nullptr;

    // A guest that has ended will do.
    bool read_any(napi_env env, napi_callback_info info)
    {
        return a.read(env, info) && (guest = Guest::of(env, a.self));
    }
    bool read(napi_env env, napi_callback_info info) { return read_any(env, info) && (g = guest->living()); }
    // The first argument is the id of what the call is about.
    bool read(napi_env env, napi_callback_info info, guest_id_t *id)
    {
        return read(env, info) && read_id(env, a.at[0], id);
    }

    // The id of what `add(source, &id)` registers, which is `call` of the C ABI, for a JavaScript function. If it fails, the
    // source is given back and an exception thrown.
    template <class Add> napi_value add(napi_env env, napi_value function, const char *call, Add add)
    {
        Source *source = guest->make_source(function);
        if (!source)
            return nullptr;
        guest_id_t id = 0;
        guest_status_t status = add(source, &id);
        napi_value result = checked(env, status, call);
        if (status == GUEST_OK)
            napi_create_bigint_uint64(env, id, &result);
        else
            Guest::drop_source(source);
        return result;
    }
};

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
