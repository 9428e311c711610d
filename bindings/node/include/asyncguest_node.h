/* asyncguest_node.h: the guest of a Node program, for other native add-ons.
 *
 * JavaScript starts the guest and hands it over:
 *
 *     const guest = require('asyncguest').start();
 *     require('./my_addon.node').run(guest.native);
 *
 * and the other add-on registers fds, timers, posts and work of its own, whose callbacks run on Node's
 * thread, between the loop's own events:
 *
 *     asyncguest_node_t *node = asyncguest_node_get(env, value);
 *     node->call->guest_timer_add(node->guest, 0, 0, on_timer, mine, free_mine, NULL);
 *
 * The functions are reached through `call` because an add-on cannot link to another add-on, and must not
 * bring a second copy of the library. They are those of asyncguest.h, with the same rules; guests of the
 * other add-on's own are best had from JavaScript, too.
 *
 * Ownership: `node` belongs to the JavaScript object. It is valid while the guest lives, and that the guest
 * has ended is told by the drop functions of what was registered; so does `node->guest`, which is NULL from
 * then on, for as long as the object is kept (napi_create_reference). Never call guest_free for it, nor
 * guest_shutdown: those are JavaScript's. guest_cancel is yours too.
 *
 * In a callback: open a handle scope, and call JavaScript with napi_make_callback. A C++ exception that
 * leaves a callback becomes 'uncaughtException'; the guest goes on.
 */
#ifndef ASYNCGUEST_NODE_H
#define ASYNCGUEST_NODE_H

#include <asyncguest.h>
#include <node_api.h>

#if !defined(NAPI_VERSION) || NAPI_VERSION < 8
#error "asyncguest_node.h needs NAPI_VERSION 8 or newer: define it before node_api.h"
#endif

/* Every function of asyncguest.h, in the order of the table. New ones come last. */
#define ASYNCGUEST_NODE_FUNCTIONS(X)                                                                                   \
    X(guest_child_add)                                                                                                 \
    X(guest_fd_add)                                                                                                    \
    X(guest_fd_modify)                                                                                                 \
    X(guest_start)                                                                                                     \
    X(guest_adopt)                                                                                                     \
    X(guest_deliver_batch)                                                                                             \
    X(guest_deliver_batch_for)                                                                                         \
    X(guest_run)                                                                                                       \
    X(guest_shutdown)                                                                                                  \
    X(guest_cancel)                                                                                                    \
    X(guest_free)                                                                                                      \
    X(guest_fd)                                                                                                        \
    X(guest_wake)                                                                                                      \
    X(guest_state)                                                                                                     \
    X(guest_stats)                                                                                                     \
    X(guest_close)                                                                                                     \
    X(guest_is_open)                                                                                                   \
    X(guest_host_data)                                                                                                 \
    X(guest_post)                                                                                                      \
    X(guest_poster_new)                                                                                                \
    X(guest_poster_post)                                                                                               \
    X(guest_poster_wake)                                                                                               \
    X(guest_poster_cancel)                                                                                             \
    X(guest_poster_free)                                                                                               \
    X(guest_batch_begin)                                                                                               \
    X(guest_batch_next)                                                                                                \
    X(guest_batch_wait)                                                                                                \
    X(guest_batch_end)                                                                                                 \
    X(guest_resolve)                                                                                                   \
    X(guest_signal_add)                                                                                                \
    X(guest_status_name)                                                                                               \
    X(guest_status_message)                                                                                            \
    X(guest_last_error)                                                                                                \
    X(guest_now)                                                                                                       \
    X(guest_timer_add)                                                                                                 \
    X(guest_timer_modify)                                                                                              \
    X(guest_version)                                                                                                   \
    X(guest_version_string)                                                                                            \
    X(guest_live)                                                                                                      \
    X(guest_work)                                                                                                      \
    X(guest_signal_arrivals)                                                                                           \
    X(guest_deadline)                                                                                                  \
    X(guest_listener_tcp)                                                                                              \
    X(guest_listener_unix)                                                                                             \
    X(guest_listener_adopt)                                                                                            \
    X(guest_listener_info)                                                                                             \
    X(guest_stream_connect)                                                                                            \
    X(guest_stream_connect_to)                                                                                         \
    X(guest_stream_connect_unix)                                                                                       \
    X(guest_stream_adopt)                                                                                              \
    X(guest_stream_accept)                                                                                             \
    X(guest_stream_write)                                                                                              \
    X(guest_stream_pause)                                                                                              \
    X(guest_stream_resume)                                                                                             \
    X(guest_stream_shutdown)                                                                                           \
    X(guest_stream_close)                                                                                              \
    X(guest_stream_info)                                                                                               \
    X(guest_udp_bind)                                                                                                  \
    X(guest_udp_adopt)                                                                                                 \
    X(guest_udp_send)                                                                                                  \
    X(guest_udp_info)                                                                                                  \
    X(guest_listener_pause)                                                                                            \
    X(guest_listener_resume)

#ifdef __cplusplus
#define ASYNCGUEST_NODE_MEMBER(name) decltype(&::name) name;
#else
#define ASYNCGUEST_NODE_MEMBER(name) __typeof__(&name) name;
#endif

/* The library's functions. `struct_size` tells how many an older add-on has. */
typedef struct asyncguest_node_calls_t {
    size_t struct_size;
    ASYNCGUEST_NODE_FUNCTIONS(ASYNCGUEST_NODE_MEMBER)
} asyncguest_node_calls_t;

/* What `guest.native` wraps. Read it on the JavaScript thread that the guest lives on. */
typedef struct asyncguest_node_t {
    size_t struct_size;                  /* sizeof(asyncguest_node_t) of the add-on that made it */
    guest_t *guest;                      /* NULL when the guest has ended */
    const asyncguest_node_calls_t *call; /* valid as long as the process */
} asyncguest_node_t;

/* Says of a JavaScript object that it wraps an asyncguest_node_t. */
static const napi_type_tag asyncguest_node_tag = {0x6173796e63677565ull, 0x73746e6f64653031ull};

/* The guest behind `guest.native`, or NULL with a TypeError thrown: not such an object, the guest has ended,
 * or the asyncguest package is too old for this header. Thread: JavaScript. */
static inline asyncguest_node_t *asyncguest_node_get(napi_env env, napi_value value)
{
    bool tagged = false;
    void *data = NULL;
    asyncguest_node_t *node;
    if (napi_check_object_type_tag(env, value, &asyncguest_node_tag, &tagged) != napi_ok || !tagged ||
        napi_unwrap(env, value, &data) != napi_ok || data == NULL) {
        napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "expected guest.native of the package asyncguest");
        return NULL;
    }
    node = (asyncguest_node_t *)data;
    if (node->struct_size < sizeof *node || node->call->struct_size < sizeof(asyncguest_node_calls_t)) {
        napi_throw_type_error(env, "ERR_ASYNCGUEST_VERSION",
                              "the package asyncguest is older than this add-on was built for: update it");
        return NULL;
    }
    if (node->guest == NULL) {
        napi_throw_type_error(env, "GUEST_ECLOSED", "the guest has ended: start a new one");
        return NULL;
    }
    return node;
}

#endif /* ASYNCGUEST_NODE_H */
