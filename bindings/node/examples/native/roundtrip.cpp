// Native code with its own I/O on Node's main thread: a UDP socket that sends to itself, a timer that sends, an
// fd callback that receives and measures. No thread, no lock, no queue: every function here runs on the thread of
// JavaScript, between the loop's own events, and JavaScript is called directly.
//
//   measure(guest.native, rounds, everyMilliseconds, callback)   callback({ rounds, median, worst }), microseconds
#define NAPI_VERSION 8
#include <asyncguest_node.h>

#include <algorithm>
#include <arpa/inet.h>
#include <memory>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

class Measurement {
public:
    static napi_value start(napi_env env, napi_callback_info info)
    {
        size_t count = 4;
        napi_value arguments[4];
        uint32_t rounds = 0;
        double every = 0;
        napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
        asyncguest_node_t *node = asyncguest_node_get(env, arguments[0]);
        if (!node)
            return nullptr; // and a TypeError is on its way
        if (napi_get_value_uint32(env, arguments[1], &rounds) != napi_ok || rounds == 0 ||
            napi_get_value_double(env, arguments[2], &every) != napi_ok || !(every > 0))
            return fail(env, "measure(guest.native, rounds, everyMilliseconds, callback)");

        auto m = std::unique_ptr<Measurement>(new Measurement(env, node, rounds));
        if (!m->open_socket())
            return fail(env, "no UDP socket on the loopback interface");
        if (napi_create_reference(env, arguments[3], 1, &m->callback_) != napi_ok ||
            napi_async_init(env, nullptr, name(env), &m->context_) != napi_ok)
            return fail(env, "the callback must be a function");
        if (!m->add_fd())
            return fail(env, "guest_fd_add failed");
        // From here on the guest owns it: `drop` of the last source deletes it, whatever ends first.
        Measurement *kept = m.release();
        if (!kept->add_timer(uint64_t(every * 1e6))) {
            node->call->guest_close(node->guest, kept->fd_id_);
            return fail(env, "guest_timer_add failed");
        }
        return nullptr;
    }

    ~Measurement()
    {
        if (socket_ >= 0)
            close(socket_);
        if (callback_)
            napi_delete_reference(env_, callback_);
        if (context_)
            napi_async_destroy(env_, context_);
    }

private:
    Measurement(napi_env env, asyncguest_node_t *node, uint32_t rounds) : env_(env), node_(node), rounds_(rounds) {}

    bool open_socket()
    {
        struct sockaddr_in address = {};
        socklen_t length = sizeof address;
        auto *any = reinterpret_cast<struct sockaddr *>(&address);
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        return socket_ >= 0 && bind(socket_, any, length) == 0 && getsockname(socket_, any, &length) == 0 &&
               connect(socket_, any, length) == 0;
    }

    bool add_fd()
    {
        return owned(
            node_->call->guest_fd_add(node_->guest, socket_, GUEST_READABLE, on_readable, this, drop, &fd_id_));
    }

    bool add_timer(uint64_t period)
    {
        return owned(node_->call->guest_timer_add(node_->guest, 0, period, on_timer, this, drop, &timer_id_));
    }

    bool owned(guest_status_t status)
    {
        sources_ += status == GUEST_OK;
        return status == GUEST_OK;
    }

    static void on_timer(guest_t *, guest_id_t, uint64_t, void *data)
    {
        auto *self = static_cast<Measurement *>(data);
        uint64_t now = self->node_->call->guest_now();
        (void)!send(self->socket_, &now, sizeof now, 0); // a datagram that is lost is sent again next time
    }

    static void on_readable(guest_t *g, guest_id_t, uint32_t, void *data)
    {
        auto *self = static_cast<Measurement *>(data);
        uint64_t sent = 0;
        while (recv(self->socket_, &sent, sizeof sent, 0) == sizeof sent)
            self->taken_.push_back(double(self->node_->call->guest_now() - sent) / 1000);
        if (self->taken_.size() < self->rounds_)
            return;
        self->node_->call->guest_close(g, self->timer_id_);
        self->node_->call->guest_close(g, self->fd_id_);
        self->report();
    }

    void report()
    {
        napi_handle_scope scope = nullptr;
        napi_value report, value, function, global, result, error;
        bool pending = false;
        std::sort(taken_.begin(), taken_.end());
        const struct {
            const char *name;
            double value;
        } figures[] = {
            {"rounds", double(taken_.size())}, {"median", taken_[taken_.size() / 2]}, {"worst", taken_.back()}};
        napi_open_handle_scope(env_, &scope);
        napi_create_object(env_, &report);
        for (const auto &figure : figures) {
            napi_create_double(env_, figure.value, &value);
            napi_set_named_property(env_, report, figure.name, value);
        }
        napi_get_reference_value(env_, callback_, &function);
        napi_get_global(env_, &global);
        napi_make_callback(env_, context_, global, function, 1, &report, &result); // Deno wants a place for the result
        if (napi_is_exception_pending(env_, &pending) == napi_ok && pending &&
            napi_get_and_clear_last_exception(env_, &error) == napi_ok)
            napi_fatal_exception(env_, error); // 'uncaughtException', as for any callback
        napi_close_handle_scope(env_, scope);
    }

    static void drop(void *data)
    {
        auto *self = static_cast<Measurement *>(data);
        if (--self->sources_ == 0)
            delete self;
    }

    static napi_value name(napi_env env)
    {
        napi_value text = nullptr;
        napi_create_string_utf8(env, "roundtrip", NAPI_AUTO_LENGTH, &text);
        return text;
    }

    static napi_value fail(napi_env env, const char *why)
    {
        napi_throw_error(env, nullptr, why);
        return nullptr;
    }

    napi_env env_;
    asyncguest_node_t *node_;
    uint32_t rounds_;
    int socket_ = -1;
    int sources_ = 0;
    guest_id_t fd_id_ = 0, timer_id_ = 0;
    napi_ref callback_ = nullptr;
    napi_async_context context_ = nullptr;
    std::vector<double> taken_;
};

} // namespace

extern "C" NAPI_MODULE_EXPORT napi_value NAPI_MODULE_INITIALIZER(napi_env env, napi_value exports)
{
    napi_value measure = nullptr;
    napi_create_function(env, "measure", NAPI_AUTO_LENGTH, Measurement::start, nullptr, &measure);
    napi_set_named_property(env, exports, "measure", measure);
    return exports;
}
