// when_all: several tasks at once, as parts of the one that awaits them. C++20. Host thread only.
#ifndef ASYNCGUEST_WHEN_ALL_HPP
#define ASYNCGUEST_WHEN_ALL_HPP

#include "task.hpp"

#include <tuple>
#include <vector>

namespace asyncguest {
namespace detail {

/// A void task's place among values.
template <class T> using value_of = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T> value_of<T> take(place<T> &part) {
    if constexpr (std::is_void_v<T>)
        return part.came.get(), std::monostate{};
    else
        return part.came.get();
}

} // namespace detail

/// What `co_await when_all(...)` waits in.
template <class... T> class [[nodiscard]] all_of : public detail::awaiting {
public:
    explicit all_of(task<T>... tasks) : parts_(tasks.taken()...) {}
    bool await_ready() const noexcept { return sizeof...(T) == 0; }
    template <class P> bool await_suspend(std::coroutine_handle<P> h) {
        begin(h);
        return start_by([&] { std::apply([&](auto &...part) { (start(part), ...); }, parts_); });
    }
    std::tuple<detail::value_of<T>...> await_resume() {
        return std::apply([](auto &...part) { return std::tuple<detail::value_of<T>...>{detail::take(part)...}; }, parts_);
    }

private:
    std::tuple<detail::place<T>...> parts_;
};

template <class T> class [[nodiscard]] each_of : public detail::awaiting {
public:
    explicit each_of(std::vector<task<T>> tasks) {
        parts_.reserve(tasks.size());
        for (task<T> &t : tasks)
            parts_.emplace_back(t.taken());
    }
    bool await_ready() const noexcept { return parts_.empty(); }
    template <class P> bool await_suspend(std::coroutine_handle<P> h) {
        begin(h);
        return start_by([&] {
            for (auto &part : parts_)
                start(part);
        });
    }
    std::vector<detail::value_of<T>> await_resume() {
        std::vector<detail::value_of<T>> values;
        values.reserve(parts_.size());
        for (auto &part : parts_)
            values.push_back(detail::take(part));
        return values;
    }

private:
    std::vector<detail::place<T>> parts_;
};

/// `auto [a, b] = co_await when_all(first(g), second(g));` runs them at the same time and gives a tuple of what they
/// return, std::monostate for void. Goes on when all have ended; then the first exception, in the order of the
/// arguments, is thrown.
template <class... T> all_of<T...> when_all(task<T>... tasks) {
    return all_of<T...>(std::move(tasks)...);
}

/// The same for any number of tasks of one type; gives a vector.
template <class T> each_of<T> when_all(std::vector<task<T>> tasks) {
    return each_of<T>(std::move(tasks));
}

} // namespace asyncguest

#endif
