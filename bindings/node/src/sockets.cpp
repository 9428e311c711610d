// System calls on non-blocking sockets, for lib/socket.js. They never wait, keep nothing, and return a number:
// 0 or more, or errno negated. JavaScript thread only.
#include "guest.h"

#ifndef _WIN32
#include <cerrno>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 // macOS: SO_NOSIGPIPE instead
#endif

namespace agn {
namespace {

napi_value result_of(napi_env env, long result)
{
    return number(env, result < 0 ? -errno : double(result));
}

// Makes a new socket non-blocking, not inherited, and deaf to SIGPIPE.
int settle(int fd)
{
    int one = 1;
    if (fd < 0)
        return -1;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); // an answer should not wait for a timer
#ifdef SO_NOSIGPIPE
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
#endif
    return fd;
}

// (domain, socktype, protocol, sockaddr, backlog): a new socket, connecting (backlog -1) or listening.
napi_value open_socket(napi_env env, napi_callback_info info)
{
    Arguments a;
    int64_t domain, socktype, protocol, backlog;
    uint8_t *address = nullptr;
    size_t length = 0;
    if (!a.read(env, info) || !read_integer(env, a.at[0], "domain", 0, INT32_MAX, &domain) ||
        !read_integer(env, a.at[1], "socktype", 0, INT32_MAX, &socktype) ||
        !read_integer(env, a.at[2], "protocol", 0, INT32_MAX, &protocol) ||
        !read_bytes(env, a.at[3], "sockaddr", &address, &length) ||
        !read_integer(env, a.at[4], "backlog", -1, INT32_MAX, &backlog))
        return nullptr;
    int fd = settle(socket(int(domain), int(socktype), int(protocol))), one = 1;
    if (fd < 0)
        return result_of(env, -1);
    auto *sockaddr = reinterpret_cast<struct sockaddr *>(address);
    bool good;
    if (backlog < 0)
        good = connect(fd, sockaddr, socklen_t(length)) == 0 || errno == EINPROGRESS;
    else
        good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
               bind(fd, sockaddr, socklen_t(length)) == 0 && listen(fd, int(backlog)) == 0;
    if (good)
        return result_of(env, fd);
    int error = errno;
    close(fd);
    return number(env, -error);
}

bool read_fd(napi_env env, napi_callback_info info, Arguments *a, int *fd_out)
{
    int64_t fd = 0;
    if (!a->read(env, info) || !read_integer(env, a->at[0], "fd", 0, INT32_MAX, &fd))
        return false;
    *fd_out = int(fd);
    return true;
}

// (fd): the error that is pending on it, as a number above 0, or 0
napi_value pending_error(napi_env env, napi_callback_info info)
{
    Arguments a;
    int fd = -1, error = 0;
    socklen_t length = sizeof error;
    if (!read_fd(env, info, &a, &fd))
        return nullptr;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? result_of(env, -1) : number(env, error);
}

napi_value accept_one(napi_env env, napi_callback_info info)
{
    Arguments a;
    int fd = -1;
    return read_fd(env, info, &a, &fd) ? result_of(env, settle(accept(fd, nullptr, nullptr))) : nullptr;
}

// (fd, bytes): how many were read; 0 at the end of the stream
napi_value receive(napi_env env, napi_callback_info info)
{
    Arguments a;
    int fd = -1;
    uint8_t *bytes = nullptr;
    size_t length = 0;
    if (!read_fd(env, info, &a, &fd) || !read_bytes(env, a.at[1], "bytes", &bytes, &length))
        return nullptr;
    return result_of(env, recv(fd, bytes, length, 0));
}

// (fd, bytes): how many were taken
napi_value transmit(napi_env env, napi_callback_info info)
{
    Arguments a;
    int fd = -1;
    uint8_t *bytes = nullptr;
    size_t length = 0;
    if (!read_fd(env, info, &a, &fd) || !read_bytes(env, a.at[1], "bytes", &bytes, &length))
        return nullptr;
    return result_of(env, send(fd, bytes, length, MSG_NOSIGNAL));
}

napi_value end_writing(napi_env env, napi_callback_info info)
{
    Arguments a;
    int fd = -1;
    return read_fd(env, info, &a, &fd) ? result_of(env, shutdown(fd, SHUT_WR)) : nullptr;
}

// (fd): the port that it is bound to
napi_value local_port(napi_env env, napi_callback_info info)
{
    Arguments a;
    int fd = -1;
    struct sockaddr_storage name = {};
    socklen_t length = sizeof name;
    if (!read_fd(env, info, &a, &fd))
        return nullptr;
    if (getsockname(fd, reinterpret_cast<struct sockaddr *>(&name), &length) < 0)
        return result_of(env, -1);
    return number(env, ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<struct sockaddr_in6 *>(&name)->sin6_port
                                                        : reinterpret_cast<struct sockaddr_in *>(&name)->sin_port));
}

} // namespace

void close_socket(int fd)
{
    close(fd);
}

bool define_sockets(napi_env env, napi_value exports)
{
    const struct {
        const char *name;
        napi_callback function;
    } functions[] = {{"open", open_socket},    {"pendingError", pending_error}, {"accept", accept_one},
                     {"receive", receive},     {"transmit", transmit},          {"endWriting", end_writing},
                     {"localPort", local_port}};
    napi_value object = nullptr, value = nullptr;
    if (!ok(env, napi_create_object(env, &object)))
        return false;
    for (const auto &f : functions)
        if (!ok(env, napi_create_function(env, f.name, NAPI_AUTO_LENGTH, f.function, nullptr, &value)) ||
            !ok(env, napi_set_named_property(env, object, f.name, value)))
            return false;
    return ok(env, napi_set_named_property(env, exports, "sockets", object));
}

} // namespace agn

#else

namespace agn {
void close_socket(int) {}
bool define_sockets(napi_env, napi_value)
{
    return true;
} // lib/socket.js says so when it is asked
} // namespace agn

#endif
