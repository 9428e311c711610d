// Drive THREAD: the guest's I/O thread calls a thread-safe function of Node-API. See drive.h.
//
// Node runs such a function inside a callback scope of its own: microtasks and nextTicks wait until it returns,
// whatever it calls. So one call delivers one callback (a budget of 1 ns), and what is left comes with the next
// call. Node makes those at once, up to a thousand in a row, before the loop has its turn; that would be a budget
// of a thousand callbacks, however long. After `turn_budget` the next call is therefore asked for by
// setImmediate, which Node serves after its I/O.
#include "guest.h"

#include <atomic>

namespace agn {
namespace {

const uint64_t turn_budget = 4 * 1000 * 1000;

class ThreadDrive;

// What the functions that Node calls know; collected with the JavaScript function that both of them hold, after the
// drive: Bun and Deno make calls that were queued when the thread-safe function was aborted already.
struct Turn {
    ThreadDrive *drive;
};

class ThreadDrive : public Drive {
public:
    ThreadDrive(Guest &guest, napi_value set_immediate) : guest_(guest), argument_(set_immediate) {}
    ~ThreadDrive() override
    {
        if (set_immediate_)
            napi_delete_reference(guest_.env(), set_immediate_);
        if (turn_function_)
            napi_delete_reference(guest_.env(), turn_function_);
        if (turn_)
            turn_->drive = nullptr;
    }

    bool prepare() override
    {
        napi_env env = guest_.env();
        auto turn = std::make_unique<Turn>(Turn{this});
        napi_value function = nullptr;
        if (!ok(env, napi_create_function(env, "asyncguest", NAPI_AUTO_LENGTH, on_immediate, turn.get(), &function)) ||
            !ok(env, napi_add_finalizer(env, function, turn.get(), delete_turn, nullptr, nullptr)))
            return false;
        turn_ = turn.release();
        return ok(env, napi_create_reference(env, argument_, 1, &set_immediate_)) &&
               ok(env, napi_create_reference(env, function, 1, &turn_function_)) &&
               ok(env, napi_create_threadsafe_function(env, function, nullptr, text(env, "asyncguest"), 0, 1, nullptr,
                                                       nullptr, turn_, on_call, &call_));
    }

    void keep_alive(bool yes) override
    {
        if (call_)
            ok(guest_.env(), yes ? napi_ref_threadsafe_function(guest_.env(), call_)
                                 : napi_unref_threadsafe_function(guest_.env(), call_));
    }

    int32_t post(guest_token_t token) override
    {
        fresh_ = true;
        return send(token);
    }

    int32_t post_local(guest_token_t token) override
    {
        napi_env env = guest_.env();
        if (guest_now() - begin_ < turn_budget)
            return send(token);
        HandleScope scope(env);
        napi_value immediate = nullptr, turn = nullptr, result = nullptr;
        if (napi_get_reference_value(env, set_immediate_, &immediate) != napi_ok ||
            napi_get_reference_value(env, turn_function_, &turn) != napi_ok)
            return -1;
        token_ = token;
        // Fails while an exception is on its way: the I/O thread then posts the token again.
        return napi_call_function(env, undefined(env), immediate, 1, &turn, &result) == napi_ok ? 0 : -1;
    }

    void leave() override { gone_ = true; }

    void abandon() override
    {
        gone_ = true;
        guest_.drive_closed(); // Node frees the function itself
    }

    void close() override
    {
        gone_ = true;
        if (call_ && !closing_)
            napi_release_threadsafe_function(call_, napi_tsfn_abort);
        call_ = nullptr;
        guest_.drive_closed();
    }

private:
    // Thread: any.
    int32_t send(guest_token_t token)
    {
        if (gone_)
            return GUEST_HOST_GONE;
        token_ = token; // only the newest counts: any delivery catches up with everything
        napi_status status = napi_call_threadsafe_function(call_, nullptr, napi_tsfn_nonblocking);
        if (status == napi_closing) {
            gone_ = closing_ = true; // Node has taken back the right to call it
            return GUEST_HOST_GONE;
        }
        return status == napi_ok ? 0 : -1;
    }

    static void on_call(napi_env env, napi_value, void *context, void *)
    {
        if (!env)
            return; // the environment ends: Guest::clean_up does the rest
        ThreadDrive *self = static_cast<Turn *>(context)->drive;
        if (!self)
            return;
        if (self->fresh_.exchange(false))
            self->begin_ = guest_now();
        self->guest_.deliver(self->token_, 1);
    }

    static napi_value on_immediate(napi_env env, napi_callback_info info)
    {
        Arguments arguments;
        if (arguments.read(env, info)) {
            ThreadDrive *self = static_cast<Turn *>(arguments.data)->drive;
            if (self) {
                self->fresh_ = true;
                self->send(self->token_);
            }
        }
        return nullptr;
    }

    static void delete_turn(napi_env, void *turn, void *) { delete static_cast<Turn *>(turn); }

    Guest &guest_;
    napi_value argument_; // valid until prepare() returns
    napi_ref set_immediate_ = nullptr;
    napi_ref turn_function_ = nullptr;
    Turn *turn_ = nullptr; // belongs to the function
    napi_threadsafe_function call_ = nullptr;
    uint64_t begin_ = 0; // when the present turn began
    std::atomic<guest_token_t> token_{0};
    std::atomic<bool> fresh_{true}; // the next call begins a turn
    std::atomic<bool> gone_{false};    // no more calls from here on
    std::atomic<bool> closing_{false}; // Node closes it by itself
};

} // namespace

std::unique_ptr<Drive> make_thread_drive(Guest &guest, napi_value set_immediate)
{
    return std::make_unique<ThreadDrive>(guest, set_immediate);
}

} // namespace agn
