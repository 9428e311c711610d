// events: what an fd is watched for, and what has come. Any thread.
#ifndef ASYNCGUEST_EVENTS_HPP
#define ASYNCGUEST_EVENTS_HPP

#include <asyncguest.h>

namespace asyncguest {

enum class events : uint32_t {
    none = 0,
    readable = GUEST_READABLE,
    writable = GUEST_WRITABLE,
    priority = GUEST_PRIORITY,
    error = GUEST_ERROR,  ///< reported only
    hangup = GUEST_HANGUP ///< reported only
};

constexpr events operator|(events a, events b) {
    return static_cast<events>(static_cast<uint32_t>(a) | static_cast<uint32_t>(b));
}

constexpr events operator&(events a, events b) {
    return static_cast<events>(static_cast<uint32_t>(a) & static_cast<uint32_t>(b));
}

/// Whether there is any: `if (any(got & events::hangup))`.
constexpr bool any(events e) {
    return e != events::none;
}

} // namespace asyncguest

#endif
