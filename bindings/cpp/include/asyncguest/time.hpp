// Durations: any std::chrono duration in, the library's nanoseconds out. Any thread.
#ifndef ASYNCGUEST_TIME_HPP
#define ASYNCGUEST_TIME_HPP

#include <asyncguest.h>

#include <chrono>

namespace asyncguest {

/// A time that never comes; with it a timer is registered but not armed. (Qt has a macro `forever`, Windows one `max`.)
inline constexpr std::chrono::nanoseconds never = (std::chrono::nanoseconds::max)();

namespace detail {

/// Rounds up, for nothing may be early; what is negative is 0, what is longer than 292 years is never.
template <class Rep, class Period> uint64_t nanoseconds(std::chrono::duration<Rep, Period> time) {
    long double wide = std::chrono::duration<long double, std::nano>(time).count();
    if (!(wide > 0)) // also what is not a number
        return 0;
    if (wide >= 9.2e18L)
        return GUEST_FOREVER;
    if constexpr (std::ratio_divide<Period, std::nano>::den == 1)
        return static_cast<uint64_t>(std::chrono::ceil<std::chrono::nanoseconds>(time).count());
    auto whole = static_cast<uint64_t>(wide); // frames, samples: in integers, a product with the common unit may overflow
    return whole + (static_cast<long double>(whole) < wide);
}

} // namespace detail
} // namespace asyncguest

#endif
