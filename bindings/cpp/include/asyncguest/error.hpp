// What goes wrong, as exceptions: `error` carries a status code of the library and its message.
// Any thread.
#ifndef ASYNCGUEST_ERROR_HPP
#define ASYNCGUEST_ERROR_HPP

#if __cplusplus < 201703L && (!defined(_MSVC_LANG) || _MSVC_LANG < 201703L)
#error "asyncguest.hpp needs C++17: compile with -std=c++17 or newer, or use asyncguest.h"
#endif
#if !defined(__cpp_exceptions) && !defined(_CPPUNWIND)
#error "asyncguest.hpp needs exceptions: compile without -fno-exceptions, or use asyncguest.h"
#endif

#include <asyncguest.h>

#include <stdexcept>
#include <string>
#include <system_error>

namespace asyncguest {

/// The status codes of asyncguest.h; its comments tell what each means. They compare with `code()`:
/// `catch (const asyncguest::error &e) { if (e.code() == asyncguest::status::exists) ... }`
enum class status : int {
    ok = GUEST_OK,
    null = GUEST_ENULL,
    invalid = GUEST_EINVAL,
    size = GUEST_ESIZE,
    flags = GUEST_EFLAGS,
    stale = GUEST_ESTALE,
    thread = GUEST_ETHREAD,
    drive = GUEST_EDRIVE,
    closed = GUEST_ECLOSED,
    forked = GUEST_EFORKED,
    panic = GUEST_EPANIC,
    os = GUEST_EOS,
    exists = GUEST_EEXIST,
    resolve = GUEST_ERESOLVE,
    inlined = GUEST_EINLINE,
    timed_out = GUEST_ETIMEDOUT,
    host_gone = GUEST_EHOSTGONE,
    not_supported = GUEST_ENOTSUP,
    order = GUEST_EORDER,
    no_memory = GUEST_ENOMEM
};

} // namespace asyncguest

template <> struct std::is_error_code_enum<asyncguest::status> : std::true_type {};

namespace asyncguest {
namespace detail {

/// A text that `ask(to, room, length_out)` copies as snprintf does.
template <class Ask> std::string whole_text(Ask ask) {
    std::string text(512, '\0');
    size_t length = 0;
    ask(text.data(), text.size(), &length);
    if (length >= text.size()) {
        text.resize(length + 1);
        ask(text.data(), text.size(), &length);
    }
    text.resize(length);
    return text;
}

class category_type final : public std::error_category {
public:
    const char *name() const noexcept override { return "asyncguest"; }

    std::string message(int code) const override {
        return whole_text([code](auto... to) { guest_status_message(code, to...); });
    }

    std::error_condition default_error_condition(int code) const noexcept override {
        switch (code) {
        case GUEST_EINVAL: return std::errc::invalid_argument;
        case GUEST_EEXIST: return std::errc::file_exists;
        case GUEST_ETIMEDOUT: return std::errc::timed_out;
        case GUEST_ENOTSUP: return std::errc::not_supported;
        case GUEST_ENOMEM: return std::errc::not_enough_memory;
        default: return {code, *this};
        }
    }
};

} // namespace detail

/// The category of the library's status codes.
inline const std::error_category &category() noexcept {
    static const detail::category_type instance;
    return instance;
}

inline std::error_code make_error_code(status code) noexcept {
    return {static_cast<int>(code), category()};
}

/// A call that failed. `what()` is the library's message: what was wrong with the call, and the remedy.
class error : public std::system_error {
public:
    explicit error(status code, const std::string &text, int os_error = 0)
        : std::system_error(code), text_(text), os_error_(os_error) {}

    const char *what() const noexcept override { return text_.what(); }

    /// The errno of the refused system call if `code()` is status::os, else 0.
    int os_error() const noexcept { return os_error_; }

    /// The calling thread's last failure, which was `code`.
    static error last(guest_status_t code) {
        guest_status_t status = GUEST_OK;
        int32_t os_error = 0;
        std::string text = detail::whole_text([&](auto... to) { guest_last_error(&status, &os_error, to...); });
        if (status != code || text.empty()) { // a function that leaves the last error alone
            text = category().message(code);
            os_error = 0;
        }
        return error(static_cast<asyncguest::status>(code), text, os_error);
    }

private:
    std::runtime_error text_; // a string whose copies do not throw
    int os_error_;
};

namespace detail {

inline void demand(guest_status_t status) {
    if (status != GUEST_OK)
        throw error::last(status);
}

/// A struct that begins with its size and is zero else.
template <class T> T sized() {
    T made{};
    made.struct_size = sizeof made;
    return made;
}

/// One that `ask(&it)` has filled in.
template <class T, class Ask> T asked(Ask ask) {
    T made = sized<T>();
    demand(ask(&made));
    return made;
}

} // namespace detail
} // namespace asyncguest

#endif
