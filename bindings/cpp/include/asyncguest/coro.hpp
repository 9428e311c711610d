// Coroutines (C++20): task, scope, and what co_await takes. asyncguest.hpp includes it where the compiler can.
#ifndef ASYNCGUEST_CORO_HPP
#define ASYNCGUEST_CORO_HPP

#include "guest.hpp"

#if !ASYNCGUEST_HAS_COROUTINES
#error "asyncguest/coro.hpp needs coroutines: compile with -std=c++20"
#endif

#include "await.hpp"
#include "scope.hpp"
#include "socket_await.hpp"
#include "task.hpp"
#include "when_all.hpp"

#endif
