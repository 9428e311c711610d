// See guest.h.
#include "guest.h"

#include <exception>

namespace agn {
namespace {

const napi_type_tag guest_tag = {0x6173796e63677565ull, 0x7374206f626a6563ull};

#define CALL_OF(name) &::name,
const asyncguest_node_calls_t calls = {sizeof calls, ASYNCGUEST_NODE_FUNCTIONS(CALL_OF)};
#undef CALL_OF

napi_value property(napi_env env, napi_value object, const char *name)
{
    napi_value value = nullptr;
    return ok(env, napi_get_named_property(env, object, name, &value)) ? value : nullptr;
}

} // namespace

Guest *Guest::start(napi_env env, napi_value self, napi_value options, napi_value on_done)
{
    auto *guest = new Guest(env);
    if (guest->begin(self, options, on_done))
        return guest;
    napi_value pending = nullptr; // calls of Node-API fail while an exception is pending
    napi_get_and_clear_last_exception(env, &pending);
    guest->ended_ = guest->left_ = true;
    if (guest->drive_)
        guest->finish_if_ended(true);
    else
        guest->release();
    napi_throw(env, pending);
    return nullptr;
}

bool Guest::begin(napi_value self, napi_value options, napi_value on_done)
{
    guest_options_t settings = {};
    napi_value immediate = property(env_, options, "setImmediate"), native = nullptr;
    if (!immediate || !read_options(options, &settings) || !read_function(env_, on_done, "onDone"))
        return false;
    drive_ = settings.drive == GUEST_DRIVE_FD ? make_fd_drive(*this) : make_thread_drive(*this, immediate);
    if (!drive_)
        return throw_status(env_, GUEST_ENOTSUP, "drive: 'fd'") != nullptr;
    if (!drive_->prepare())
        return false;

    guest_host_t host = {};
    host.struct_size = sizeof host;
    host.data = this;
    host.post = post;
    host.post_local = post_local;
    host.done = done;
    guest_status_t status = guest_start(&host, &settings, &guest_);
    if (status != GUEST_OK)
        return throw_status(env_, status, "guest_start") != nullptr;

    // After the thread-safe function was made, so that this hook runs before Node's own for it.
    hooked_ = ok(env_, drive_->closes_later() ? napi_add_async_cleanup_hook(env_, clean_up_later, this, &hook_)
                                              : napi_add_env_cleanup_hook(env_, clean_up, this));
    if (!hooked_ || !drive_->open(guest_))
        return false;

    node_ = new asyncguest_node_t{sizeof *node_, guest_, &calls};
    auto free_node = [](napi_env, void *node, void *) { delete static_cast<asyncguest_node_t *>(node); };
    if (!ok(env_, napi_create_object(env_, &native)) ||
        !ok(env_, napi_wrap(env_, native, node_, free_node, nullptr, nullptr))) {
        delete node_;
        node_ = nullptr;
        return false;
    }
    if (!ok(env_, napi_type_tag_object(env_, native, &asyncguest_node_tag)) ||
        !ok(env_, napi_create_reference(env_, native, 1, &native_)) ||
        !ok(env_, napi_create_reference(env_, on_done, 1, &on_done_)) ||
        !ok(env_, napi_type_tag_object(env_, self, &guest_tag)))
        return false;
    auto collected = [](napi_env, void *guest, void *) { static_cast<Guest *>(guest)->release(); };
    if (!ok(env_, napi_wrap(env_, self, this, collected, nullptr, nullptr)))
        return false;
    owners_++;
    return ok(env_, napi_create_reference(env_, self, 1, &self_));
}

bool Guest::read_options(napi_value options, guest_options_t *out)
{
    int64_t drive = 0, threads = 0;
    uint64_t budget = 0, stall = 0;
    napi_value values[4];
    const char *names[4] = {"drive", "workThreads", "budget", "stallAfter"};
    for (int i = 0; i < 4; i++)
        if (!(values[i] = property(env_, options, names[i])))
            return false;
    if (!read_integer(env_, values[0], names[0], GUEST_DRIVE_THREAD, GUEST_DRIVE_FD, &drive) ||
        !read_integer(env_, values[1], names[1], 0, 1024, &threads) ||
        !read_milliseconds(env_, values[2], names[2], &budget) || !read_milliseconds(env_, values[3], names[3], &stall))
        return false;
    out->struct_size = sizeof *out;
    out->drive = uint32_t(drive);
    out->work_threads = uint32_t(threads);
    out->batch_budget = budget;
    out->stall_after = stall;
    return true;
}

Guest *Guest::of(napi_env env, napi_value self)
{
    bool tagged = false;
    void *guest = nullptr;
    if (napi_check_object_type_tag(env, self, &guest_tag, &tagged) == napi_ok && tagged &&
        napi_unwrap(env, self, &guest) == napi_ok)
        return static_cast<Guest *>(guest);
    throw_type(env, "this is not a guest");
    return nullptr;
}

guest_t *Guest::living()
{
    if (guest_ && !ended_)
        return guest_;
    throw_error(env_, "GUEST_ECLOSED", "the guest has ended: start a new one");
    return nullptr;
}

void Guest::deliver(guest_token_t token, uint64_t budget)
{
    if (!guest_)
        return;
    HandleScope scope(env_);
    owners_++;
    depth_++;
    guest_status_t status = GUEST_OK;
    try {
        status = budget ? guest_deliver_batch_for(guest_, token, budget) : guest_deliver_batch(guest_, token);
    } catch (const std::exception &error) { // thrown by a callback of another add-on
        native_error(error.what());
    } catch (...) {
        native_error("a native callback has thrown a C++ exception that is no std::exception");
    }
    depth_--;
    if (status == GUEST_EPANIC && !ended_) { // only guest_free is left
        ended_ = true;
        status_ = status;
    }
    finish_if_ended(false);
    release();
}

guest_status_t Guest::shutdown(uint64_t timeout)
{
    if (depth_ > 0)
        return guest_cancel(guest_); // the end comes when the callbacks on the stack have returned
    guest_status_t status = guest_shutdown(guest_, timeout);
    finish_if_ended(true);
    return status;
}

void Guest::keep_alive(bool yes)
{
    if (drive_ && !ended_)
        drive_->keep_alive(yes);
}

void Guest::leave()
{
    if (!guest_)
        return;
    left_ = true;
    if (depth_ == 0) {
        guest_shutdown(guest_, 0);
        ended_ = true; // work that still runs is abandoned
        finish_if_ended(true);
    } else {
        guest_cancel(guest_);
        drive_->leave();
    }
}

void Guest::stats(guest_stats_t *out) const
{
    *out = last_stats_;
    out->struct_size = sizeof *out;
    if (guest_)
        guest_stats(guest_, out);
}

napi_value Guest::native()
{
    napi_value value = nullptr;
    return native_ && ok(env_, napi_get_reference_value(env_, native_, &value)) ? value : nullptr;
}

Source *Guest::make_source(napi_value callback)
{
    napi_ref reference = nullptr;
    if (!read_function(env_, callback, "callback") || !ok(env_, napi_create_reference(env_, callback, 1, &reference)))
        return nullptr;
    return new Source{this, reference};
}

void Guest::drop_source(void *data)
{
    auto *source = static_cast<Source *>(data);
    napi_delete_reference(source->guest->env_, source->callback);
    delete source;
}

void Guest::call(napi_ref callback, size_t count, napi_value *arguments)
{
    napi_value function = nullptr, global = nullptr, result = nullptr, error = nullptr;
    bool pending = false;
    if (left_ || napi_get_reference_value(env_, callback, &function) != napi_ok ||
        napi_get_global(env_, &global) != napi_ok)
        return;
    napi_make_callback(env_, nullptr, global, function, count, arguments, &result);
    // Not when a worker is being terminated: then the call fails with no exception to report.
    if (napi_is_exception_pending(env_, &pending) == napi_ok && pending &&
        napi_get_and_clear_last_exception(env_, &error) == napi_ok)
        fatal(error);
}

// 'uncaughtException', and then the ticks and microtasks that Node leaves undone after a callback that threw.
void Guest::fatal(napi_value error)
{
    napi_async_context context = nullptr;
    napi_callback_scope scope = nullptr;
    napi_value resource = nullptr;
    if (napi_fatal_exception(env_, error) != napi_ok || left_ || napi_create_object(env_, &resource) != napi_ok ||
        napi_async_init(env_, nullptr, text(env_, "asyncguest"), &context) != napi_ok)
        return;
    if (napi_open_callback_scope(env_, resource, context, &scope) == napi_ok)
        napi_close_callback_scope(env_, scope);
    napi_async_destroy(env_, context);
}

void Guest::native_error(const char *what)
{
    if (!left_)
        fatal(make_error(env_, "ERR_ASYNCGUEST_NATIVE", what));
}

void Guest::finish_if_ended(bool in_javascript)
{
    if (!ended_ || finished_ || depth_ > 0)
        return;
    finished_ = true;
    owners_++;
    if (drive_)
        drive_->stop();
    guest_free(guest_); // NULL if it has not started
    guest_ = nullptr;
    if (node_)
        node_->guest = nullptr;
    if (drive_)
        drive_->close();
    if (!left_) {
        HandleScope scope(env_);
        napi_value status = number(env_, status_), function = nullptr, result = nullptr;
        if (!in_javascript)
            call(on_done_, 1, &status);
        else if (ok(env_, napi_get_reference_value(env_, on_done_, &function)))
            napi_call_function(env_, undefined(env_), function, 1, &status, &result);
    }
    for (napi_ref *reference : {&self_, &on_done_, &native_}) {
        if (*reference)
            napi_delete_reference(env_, *reference);
        *reference = nullptr;
    }
    release();
}

void Guest::drive_closed()
{
    if (guest_)
        (void)drive_.release(); // left inside a delivery: its thread may still post
    drive_.reset();
    if (hook_)
        napi_remove_async_cleanup_hook(hook_);
    else if (hooked_)
        napi_remove_env_cleanup_hook(env_, clean_up, this);
    hook_ = nullptr;
    hooked_ = false;
    release();
}

void Guest::release()
{
    if (--owners_ == 0)
        delete this;
}

void Guest::done(void *data, guest_status_t status)
{
    auto *self = static_cast<Guest *>(data);
    self->last_stats_.struct_size = sizeof self->last_stats_;
    if (self->guest_)
        guest_stats(self->guest_, &self->last_stats_);
    if (self->node_)
        self->node_->guest = nullptr;
    if (!self->ended_)
        self->status_ = status;
    self->ended_ = true;
}

// Thread: any.
int32_t Guest::post(void *data, guest_token_t token)
{
    return static_cast<Guest *>(data)->drive_->post(token);
}

int32_t Guest::post_local(void *data, guest_token_t token)
{
    return static_cast<Guest *>(data)->drive_->post_local(token);
}

void Guest::clean_up_later(napi_async_cleanup_hook_handle, void *data)
{
    clean_up(data);
}

void Guest::clean_up(void *data)
{
    auto *self = static_cast<Guest *>(data);
    self->left_ = true;
    self->hooked_ = false; // it runs: there is nothing to remove, but for the handle of the other kind
    if (!self->guest_)
        return; // the drive closes already
    HandleScope scope(self->env_);
    if (self->depth_ == 0) {
        self->ended_ = true;
        self->finish_if_ended(false);
    } else { // the environment ends inside a callback, which will not return
        guest_cancel(self->guest_);
        self->owners_++; // for ever: the I/O thread may still look at it
        self->drive_->abandon();
    }
}

} // namespace agn
