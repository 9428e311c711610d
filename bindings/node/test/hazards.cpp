// Native code for the tests: throws out of a callback, posts from a thread, counts its drops. JavaScript thread,
// but for the thread of postFromThread.
#define NAPI_VERSION 8
#include <asyncguest_node.h>

#include <atomic>
#include <stdexcept>
#include <thread>

namespace {

std::atomic<int> drops{0};

void count_drop(void *)
{
    drops++;
}

napi_value number(napi_env env, double value)
{
    napi_value result = nullptr;
    napi_create_double(env, value, &result);
    return result;
}

asyncguest_node_t *first_argument(napi_env env, napi_callback_info info)
{
    size_t count = 1;
    napi_value argument = nullptr;
    napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
    return asyncguest_node_get(env, argument);
}

// throwLater(native): a timer whose callback throws a C++ exception
napi_value throw_later(napi_env env, napi_callback_info info)
{
    asyncguest_node_t *node = first_argument(env, info);
    auto thrower = [](guest_t *, guest_id_t, uint64_t, void *) {
        throw std::runtime_error("thrown by a native callback");
    };
    if (node)
        node->call->guest_timer_add(node->guest, 0, 0, thrower, nullptr, count_drop, nullptr);
    return nullptr;
}

// postFromThread(native, count): `count` posts from a thread; returns when it has posted them all
napi_value post_from_thread(napi_env env, napi_callback_info info)
{
    asyncguest_node_t *node = first_argument(env, info);
    if (!node)
        return nullptr;
    std::thread poster([node] {
        for (int i = 0; i < 1000; i++)
            node->call->guest_post(node->guest, [](guest_t *, void *) {}, nullptr, count_drop);
    });
    poster.join();
    return nullptr;
}

// pending(native): registers a timer that never fires; its drop is counted
napi_value pending(napi_env env, napi_callback_info info)
{
    asyncguest_node_t *node = first_argument(env, info);
    auto never = [](guest_t *, guest_id_t, uint64_t, void *) {};
    if (node)
        node->call->guest_timer_add(node->guest, GUEST_FOREVER, 0, never, nullptr, count_drop, nullptr);
    return nullptr;
}

napi_value take_drops(napi_env env, napi_callback_info)
{
    return number(env, drops.exchange(0));
}

} // namespace

extern "C" NAPI_MODULE_EXPORT napi_value NAPI_MODULE_INITIALIZER(napi_env env, napi_value exports)
{
    const struct {
        const char *name;
        napi_callback function;
    } functions[] = {{"throwLater", throw_later},
                     {"postFromThread", post_from_thread},
                     {"pending", pending},
                     {"takeDrops", take_drops}};
    for (const auto &f : functions) {
        napi_value function = nullptr;
        napi_create_function(env, f.name, NAPI_AUTO_LENGTH, f.function, nullptr, &function);
        napi_set_named_property(env, exports, f.name, function);
    }
    return exports;
}
