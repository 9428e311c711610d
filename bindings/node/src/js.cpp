// See js.h.
#include "js.h"

#include <cmath>

namespace agn {

bool ok(napi_env env, napi_status status)
{
    if (status == napi_ok)
        return true;
    const napi_extended_error_info *info = nullptr;
    bool pending = false;
    napi_get_last_error_info(env, &info); // before the next call overwrites it
    std::string message = info && info->error_message ? info->error_message : "Node-API call failed";
    napi_is_exception_pending(env, &pending);
    if (!pending)
        napi_throw_error(env, "ERR_ASYNCGUEST_NODE_API", message.c_str());
    return false;
}

napi_value make_error(napi_env env, const char *code, const std::string &message)
{
    napi_value error = nullptr;
    napi_create_error(env, text(env, code), text(env, message.c_str()), &error);
    return error;
}

napi_value throw_error(napi_env env, const char *code, const std::string &message)
{
    napi_throw_error(env, code, message.c_str());
    return nullptr;
}

napi_value throw_type(napi_env env, const std::string &message)
{
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message.c_str());
    return nullptr;
}

napi_value throw_status(napi_env env, guest_status_t status, const char *call)
{
    char particulars[512] = "";
    int32_t os_error = 0;
    guest_status_t last = GUEST_OK;
    guest_last_error(&last, &os_error, particulars, sizeof particulars, nullptr);
    if (last != status)
        guest_status_message(status, particulars, sizeof particulars, nullptr), os_error = 0;
    napi_value error = make_error(env, guest_status_name(status), std::string(call) + ": " + particulars);
    set(env, error, "status", number(env, status));
    if (os_error != 0)
        set(env, error, "errno", number(env, -os_error)); // Node's sign
    napi_throw(env, error);
    return nullptr;
}

napi_value undefined(napi_env env)
{
    napi_value value = nullptr;
    napi_get_undefined(env, &value);
    return value;
}

napi_value number(napi_env env, double value)
{
    napi_value result = nullptr;
    napi_create_double(env, value, &result);
    return result;
}

napi_value text(napi_env env, const char *value)
{
    napi_value result = nullptr;
    napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &result);
    return result;
}

void set(napi_env env, napi_value object, const char *name, napi_value value)
{
    ok(env, napi_set_named_property(env, object, name, value));
}

bool Arguments::read(napi_env env, napi_callback_info info)
{
    size_t count = max;
    return ok(env, napi_get_cb_info(env, info, &count, at, &self, &data));
}

bool read_integer(napi_env env, napi_value value, const char *name, int64_t least, int64_t most, int64_t *out)
{
    double real = 0;
    if (napi_get_value_double(env, value, &real) != napi_ok) {
        throw_type(env, std::string(name) + " must be a number");
        return false;
    }
    if (!(real >= double(least) && real <= double(most)) || real != std::floor(real)) {
        napi_throw_range_error(
            env, "ERR_OUT_OF_RANGE",
            (std::string(name) + " must be an integer from " + std::to_string(least) + " to " + std::to_string(most))
                .c_str());
        return false;
    }
    *out = int64_t(real);
    return true;
}

bool read_milliseconds(napi_env env, napi_value value, const char *name, uint64_t *nanoseconds_out)
{
    double real = 0;
    if (napi_get_value_double(env, value, &real) != napi_ok) {
        throw_type(env, std::string(name) + " must be a number of milliseconds");
        return false;
    }
    if (!(real >= 0)) {
        napi_throw_range_error(env, "ERR_OUT_OF_RANGE",
                               (std::string(name) + " must be 0 or more milliseconds (Infinity for never)").c_str());
        return false;
    }
    // Rounded up: nothing happens early. Half of what 64 bits hold is 292 years.
    *nanoseconds_out = real >= 9.2e12 ? GUEST_FOREVER : uint64_t(std::ceil(real * 1e6));
    return true;
}

bool read_id(napi_env env, napi_value value, guest_id_t *out)
{
    bool lossless = false;
    if (napi_get_value_bigint_uint64(env, value, out, &lossless) == napi_ok && lossless)
        return true;
    throw_type(env, "id must be the bigint that names a source");
    return false;
}

bool read_text(napi_env env, napi_value value, const char *name, std::string *out)
{
    size_t length = 0;
    if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
        throw_type(env, std::string(name) + " must be a string");
        return false;
    }
    out->resize(length + 1);
    napi_get_value_string_utf8(env, value, &(*out)[0], length + 1, &length);
    out->resize(length);
    if (out->find('\0') == std::string::npos)
        return true;
    throw_type(env, std::string(name) + " must not contain NUL");
    return false;
}

bool read_bytes(napi_env env, napi_value value, const char *name, uint8_t **data_out, size_t *length_out)
{
    napi_typedarray_type type = napi_int8_array;
    void *data = nullptr;
    if (napi_get_typedarray_info(env, value, &type, length_out, &data, nullptr, nullptr) == napi_ok &&
        type == napi_uint8_array) {
        *data_out = static_cast<uint8_t *>(data);
        return true;
    }
    throw_type(env, std::string(name) + " must be a Uint8Array or Buffer");
    return false;
}

bool read_function(napi_env env, napi_value value, const char *name)
{
    napi_valuetype type = napi_undefined;
    if (napi_typeof(env, value, &type) == napi_ok && type == napi_function)
        return true;
    throw_type(env, std::string(name) + " must be a function");
    return false;
}

} // namespace agn
