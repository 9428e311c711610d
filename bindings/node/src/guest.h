// One guest of one Node environment: its life from start to the last free, and how its callbacks reach
// JavaScript. JavaScript thread only.
//
//   STARTED  the drive is open, `self` keeps the JavaScript object
//   ENDED    `done` has run; the delivery that it ran in returns first
//   CLOSING  guest_free has returned, the drive closes its handle
//   CLOSED   nothing is left but the JavaScript object
//
// Two owners: the JavaScript object until it is collected, and the life until CLOSED. The environment may end
// at any moment (a worker that is terminated, process.exit): `clean_up` is Node's call then, after which no
// JavaScript can run. Where the drive closes in a later turn, Node waits for the handle of `clean_up_later` to be
// given back, which is the way from CLOSING to CLOSED.
#pragma once

#include "drive.h"

#include <asyncguest_node.h>

namespace agn {

// One registered callback; owned by the library, which drops it on the JavaScript thread.
struct Source {
    Guest *guest;
    napi_ref callback;
};

class Guest {
public:
    // Throws and returns NULL if it fails. `options`: as index.js makes them, complete.
    static Guest *start(napi_env env, napi_value self, napi_value options, napi_value on_done);
    // The guest behind `self`, or NULL with a TypeError thrown.
    static Guest *of(napi_env env, napi_value self);

    napi_env env() const { return env_; }
    guest_t *raw() const { return guest_; } // NULL from CLOSING on
    // The guest, or NULL with GUEST_ECLOSED thrown.
    guest_t *living();

    // A turn. Runs callbacks; what they throw goes to 'uncaughtException'. `budget`: 0 for the guest's own.
    void deliver(guest_token_t token, uint64_t budget);
    // As the functions of the C ABI, and then what follows from them.
    guest_status_t shutdown(uint64_t timeout);
    void keep_alive(bool yes);
    // At 'exit': end if that can be done now, and call Node no more.
    void leave();
    void stats(guest_stats_t *out) const;
    napi_value native();

    // Throws and returns NULL if it fails.
    Source *make_source(napi_value callback);
    static void drop_source(void *source); // a guest_drop_fn
    // Calls JavaScript from a callback of the library's. Open a HandleScope around it.
    void call(napi_ref callback, size_t count, napi_value *arguments);

    void drive_closed();

private:
    Guest(napi_env env) : env_(env) {}
    bool begin(napi_value self, napi_value options, napi_value on_done);
    bool read_options(napi_value options, guest_options_t *out);
    void finish_if_ended(bool in_javascript);
    void release();
    void fatal(napi_value error);
    void native_error(const char *what);
    static void done(void *data, guest_status_t status);
    static int32_t post(void *data, guest_token_t token);
    static int32_t post_local(void *data, guest_token_t token);
    static void clean_up(void *data);
    static void clean_up_later(napi_async_cleanup_hook_handle handle, void *data);

    napi_env env_;
    int owners_ = 1;
    int depth_ = 0; // deliveries on the stack
    bool ended_ = false;    // `done` has run
    bool finished_ = false; // CLOSING or CLOSED
    bool left_ = false;     // no JavaScript any more
    bool hooked_ = false;   // Node will call clean_up
    guest_status_t status_ = GUEST_OK;
    guest_t *guest_ = nullptr;
    std::unique_ptr<Drive> drive_;
    napi_ref self_ = nullptr;
    napi_ref on_done_ = nullptr;
    napi_ref native_ = nullptr;
    napi_async_cleanup_hook_handle hook_ = nullptr;
    asyncguest_node_t *node_ = nullptr; // belongs to the object of `native()`, made at the start
    guest_stats_t last_stats_ = {};
};

// The class as a property of `exports`. Throws and returns false.
bool define_guest(napi_env env, napi_value exports);
napi_value stats_object(napi_env env, const guest_stats_t &stats);

} // namespace agn
