// The headers among names that other people's headers take for themselves; compiled only, with warnings that a user may have.
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <netdb.h>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

// Qt
#define emit
#define forever for (;;)
#define foreach for
#define signals public
#define slots
// X11
#define Always 2
#define Bool int
#define None 0L
#define Status int
#define Success 0
// Windows
#define ERROR 0
#define far
#define interface struct
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define near
#define small char
// older SDKs of Apple's
#define check(what) static_assert(what)
#define verify(what) static_assert(what)

#include <asyncguest.hpp>
