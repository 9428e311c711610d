// The user's callables behind the C functions: one allocation for each, owned by the registration, dropped by it.
// Made and called on the host thread.
#ifndef ASYNCGUEST_CALLABLE_HPP
#define ASYNCGUEST_CALLABLE_HPP

#include "error.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace asyncguest {
namespace detail {

/// A callable on the heap; `user_data` points to it. F may be move-only.
template <class F> struct box {
    F f;

    template <class G> explicit box(G &&g) : f(std::forward<G>(g)) {}

    static F &of(void *data) { return static_cast<box *>(data)->f; }
    static void drop(void *data) noexcept { delete static_cast<box *>(data); }
};

/// Hands `owned` over to the registration that `call(data, drop, id_out)` makes. If it fails, the callable is
/// destroyed here and the library's message is thrown.
template <class Box, class Call> guest_id_t enrol(std::unique_ptr<Box> owned, Call call) {
    guest_id_t id = 0;
    demand(call(static_cast<void *>(owned.get()), &Box::drop, &id));
    static_cast<void>(owned.release()); // the registration's from now on
    return id;
}

template <class F> auto boxed(F &&f) {
    return std::make_unique<box<std::decay_t<F>>>(std::forward<F>(f));
}

/// Calls f with the arguments, or without if it takes none.
template <class F, class... A> void call(F &f, A &&...a) {
    if constexpr (std::is_invocable_v<F &, A...>)
        f(std::forward<A>(a)...);
    else
        f();
}

/// Whether `call` can.
template <class F, class... A>
using enable_callback = std::enable_if_t<std::is_invocable_v<std::decay_t<F> &, A...> ||
                                         std::is_invocable_v<std::decay_t<F> &>>;

} // namespace detail

/// A std::function that may be given a callable without arguments too, as every callback of this library. Calling an
/// empty one throws std::bad_function_call.
template <class... A> class callback {
public:
    callback() = default;
    callback(std::nullptr_t) {}
    template <class F, class = std::enable_if_t<!std::is_same_v<callback, std::decay_t<F>>>,
              class = detail::enable_callback<F, A...>>
    callback(F &&f) {
        if constexpr (std::is_invocable_v<std::decay_t<F> &, A...>)
            f_ = std::forward<F>(f);
        else if (std::function<void()> plain = std::forward<F>(f))
            f_ = [plain = std::move(plain)](A...) { plain(); };
    }

    explicit operator bool() const noexcept { return bool(f_); }
    void operator()(A... a) const { f_(std::forward<A>(a)...); }

private:
    std::function<void(A...)> f_;
};

} // namespace asyncguest

#endif
