// The add-on itself: what it exports, once per environment (the main thread, each worker). No state of its own.
#include "guest.h"

namespace agn {
namespace {

napi_value histogram(napi_env env, const uint64_t *buckets)
{
    napi_value array = nullptr;
    napi_create_array_with_length(env, GUEST_HISTOGRAM_BUCKETS, &array);
    for (uint32_t i = 0; i < GUEST_HISTOGRAM_BUCKETS; i++)
        napi_set_element(env, array, i, number(env, double(buckets[i])));
    return array;
}

// live(): what of the library is alive in the process, for leak checks
napi_value live(napi_env env, napi_callback_info)
{
    guest_live_t figures = {};
    figures.struct_size = sizeof figures;
    guest_status_t status = guest_live(&figures);
    if (status != GUEST_OK)
        return throw_status(env, status, "guest_live");
    napi_value object = nullptr;
    napi_create_object(env, &object);
    set(env, object, "guests", number(env, double(figures.guests)));
    set(env, object, "sources", number(env, double(figures.sources)));
    set(env, object, "posts", number(env, double(figures.posts)));
    set(env, object, "threads", number(env, double(figures.threads)));
    set(env, object, "posters", number(env, double(figures.posters)));
    return object;
}

} // namespace

napi_value stats_object(napi_env env, const guest_stats_t &stats)
{
    napi_value object = nullptr;
    napi_create_object(env, &object);
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {{"batches", stats.batches},
                    {"events", stats.events},
                    {"tokens", stats.tokens},
                    {"reposts", stats.reposts},
                    {"postFailures", stats.post_failures},
                    {"staleTokens", stats.stale_tokens},
                    {"inlinedTokens", stats.inlined_tokens},
                    {"budgetSpent", stats.budget_spent},
                    {"nested", stats.nested},
                    {"polls", stats.polls},
                    {"stalls", stats.stalls},
                    {"ioWakeups", stats.io_wakeups},
                    {"liveSources", stats.live_sources},
                    {"livePosts", stats.live_posts},
                    {"readAhead", stats.read_ahead}};
    for (const auto &counter : counters)
        set(env, object, counter.name, number(env, double(counter.value)));
    set(env, object, "deliveryLatency", histogram(env, stats.delivery_latency));
    set(env, object, "deliveryDuration", histogram(env, stats.delivery_duration));
    return object;
}

} // namespace agn

extern "C" NAPI_MODULE_EXPORT napi_value NAPI_MODULE_INITIALIZER(napi_env env, napi_value exports)
{
    napi_value live = nullptr;
    if (guest_version() / 1000 != GUEST_VERSION_MAJOR * 1000 + GUEST_VERSION_MINOR)
        return agn::throw_error(env, "ERR_ASYNCGUEST_VERSION",
                                "built with the header of another version of the library");
    if (!agn::define_guest(env, exports) ||
        !agn::ok(env, napi_create_function(env, "live", NAPI_AUTO_LENGTH, agn::live, nullptr, &live)))
        return nullptr;
    agn::set(env, exports, "live", live);
    agn::set(env, exports, "version", agn::text(env, guest_version_string()));
    return exports;
}
