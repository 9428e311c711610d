// asyncguest.hpp: guest mode for asynchronous I/O in C++17: asyncguest.h with owners, exceptions and callables.
// With C++20 also coroutines. Header-only; link with libasyncguest.
//
//     asyncguest::guest      a reactor in somebody else's main loop: timers, fds, signals, children, work, names, posts
//     asyncguest::host       how it reaches that loop; asyncguest/qt.hpp, glib.hpp, ... are ready ones
//     asyncguest::source     a registration, closed when its handle is destroyed
//     asyncguest::stream     a connection; asyncguest::listener takes those of others; asyncguest::datagram_socket, UDP
//     asyncguest::poster     the right to post from any thread
//     asyncguest::error      what a failed call throws
//     asyncguest::task       a coroutine (C++20); asyncguest::scope owns those that run
#ifndef ASYNCGUEST_HPP
#define ASYNCGUEST_HPP

#include "asyncguest/address.hpp"
#include "asyncguest/error.hpp"
#include "asyncguest/guest.hpp"
#include "asyncguest/host.hpp"
#include "asyncguest/outcome.hpp"
#include "asyncguest/poster.hpp"
#include "asyncguest/sockets.hpp"
#include "asyncguest/source.hpp"
#include "asyncguest/time.hpp"

#if ASYNCGUEST_HAS_COROUTINES
#include "asyncguest/coro.hpp"
#endif

#endif
