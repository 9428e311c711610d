// outcome<T>: what a piece of work, a name or a task came to: a value, or an exception. Any thread.
#ifndef ASYNCGUEST_OUTCOME_HPP
#define ASYNCGUEST_OUTCOME_HPP

#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace asyncguest {
namespace detail {

struct nothing {};

/// What stands for T inside a variant.
template <class T> using stored = std::conditional_t<std::is_void_v<T>, nothing, T>;

} // namespace detail

/// A T, which may be move-only or void, or the exception that came in its place. Empty until it is set.
template <class T> class outcome {
    static_assert(!std::is_reference_v<T>, "return a pointer or a std::reference_wrapper");

public:
    outcome() = default;
    outcome(outcome &&) = default;
    outcome(const outcome &) = default;

    /// By construction, for there are values that cannot be assigned.
    outcome &operator=(outcome &&other) {
        if (this != &other) {
            if (other.has_value())
                state_.template emplace<1>(std::move(std::get<1>(other.state_)));
            else
                other.exception() ? fail(other.exception()) : void(state_.template emplace<0>());
        }
        return *this;
    }

    /// Calls `f` and keeps what it returns or throws.
    template <class F> void run(F &&f) noexcept {
        try {
            if constexpr (std::is_void_v<T>) {
                std::forward<F>(f)();
                set();
            } else {
                set(std::forward<F>(f)());
            }
        } catch (...) {
            fail(std::current_exception());
        }
    }

    template <class... V> void set(V &&...value) { state_.template emplace<1>(std::forward<V>(value)...); }
    void fail(std::exception_ptr exception) noexcept { state_.template emplace<2>(std::move(exception)); }

    bool has_value() const noexcept { return state_.index() == 1; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The exception, or null.
    std::exception_ptr exception() const noexcept {
        const std::exception_ptr *held = std::get_if<2>(&state_);
        return held ? *held : nullptr;
    }

    /// Moves the value out, or throws the exception.
    T get() {
        if (std::exception_ptr held = exception())
            std::rethrow_exception(std::move(held));
        if constexpr (std::is_void_v<T>)
            std::get<1>(state_);
        else
            return std::move(std::get<1>(state_));
    }

private:
    std::variant<std::monostate, detail::stored<T>, std::exception_ptr> state_;
};

} // namespace asyncguest

#endif
