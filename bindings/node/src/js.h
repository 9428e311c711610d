// Small helpers around Node-API: errors, arguments, properties. JavaScript thread only.
#pragma once

#define NAPI_VERSION 8
#include <node_api.h>

#include <asyncguest.h>
#include <string>

namespace agn {

// Throws what Node-API says went wrong, unless an exception is pending already. Returns whether all is well.
bool ok(napi_env env, napi_status status);

// Throws an Error with the particulars of the library's last failure and its name as `code`. Returns NULL,
// for `return throw_status(...)`.
napi_value throw_status(napi_env env, guest_status_t status, const char *call);
// An Error as above, not thrown.
napi_value make_error(napi_env env, const char *code, const std::string &message);
napi_value throw_error(napi_env env, const char *code, const std::string &message);
napi_value throw_type(napi_env env, const std::string &message);

napi_value undefined(napi_env env);
napi_value number(napi_env env, double value);
napi_value text(napi_env env, const char *value);
void set(napi_env env, napi_value object, const char *name, napi_value value);

// The arguments of one call. `count` of them are always there, missing ones as undefined.
struct Arguments {
    static constexpr size_t max = 6;
    napi_value self = nullptr;
    napi_value at[max] = {};
    void *data = nullptr;

    bool read(napi_env env, napi_callback_info info);
};

// These throw a TypeError or RangeError that names the argument, and return false.
bool read_integer(napi_env env, napi_value value, const char *name, int64_t least, int64_t most, int64_t *out);
bool read_milliseconds(napi_env env, napi_value value, const char *name, uint64_t *nanoseconds_out);
bool read_id(napi_env env, napi_value value, guest_id_t *out);
bool read_text(napi_env env, napi_value value, const char *name, std::string *out);
bool read_bytes(napi_env env, napi_value value, const char *name, uint8_t **data_out, size_t *length_out);
bool read_function(napi_env env, napi_value value, const char *name);

// Values made in its life are forgotten at its end.
class HandleScope {
public:
    explicit HandleScope(napi_env env) : env_(env) { napi_open_handle_scope(env, &scope_); }
    ~HandleScope() { napi_close_handle_scope(env_, scope_); }
    HandleScope(const HandleScope &) = delete;
    HandleScope &operator=(const HandleScope &) = delete;

private:
    napi_env env_;
    napi_handle_scope scope_ = nullptr;
};

} // namespace agn
