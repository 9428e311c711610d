/* streams.c: a TCP echo server, the library's streams against libuv's.
 *
 * The client is a process of its own, the same for all sides: each of its connections sends a request, waits for the whole answer
 * and sends the next; those that are to be idle, which come first, do so once. What counts is the server's processor time for a request: its system calls are the same on all sides (one
 * receive, one send, and a share of one look). Both servers send at once what they can, and copy the rest.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "bench.h"

enum { LARGEST = 65536, WARM_UP = 200, BACKLOG = 4096 };

struct shape {
    void (*serve)(int listener, double *metrics_out);
    size_t connections;
    size_t idle; /* of them */
    size_t size;
};

/* ---- the client */

static void exchange(int port_pipe, const struct shape *shape, size_t requests)
{
    static char bytes[LARGEST];
    struct sockaddr_in address;
    size_t missing[shape->connections];
    bench_read(port_pipe, &address, sizeof address);
    int set = epoll_create1(EPOLL_CLOEXEC), sockets[shape->connections];
    SYS(set);
    for (size_t i = 0; i < shape->connections; i++) {
        SYS(sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        SYS(connect(sockets[i], (struct sockaddr *)&address, sizeof address));
        if (i < shape->idle) {
            bench_write(sockets[i], bytes, shape->size);
            SYS(recv(sockets[i], bytes, shape->size, MSG_WAITALL));
            continue;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        SYS(epoll_ctl(set, EPOLL_CTL_ADD, sockets[i], &event));
        bench_write(sockets[i], bytes, missing[i] = shape->size);
    }
    size_t sent = shape->connections - shape->idle, answered = 0;
    while (answered < requests) {
        struct epoll_event events[64];
        int count = epoll_wait(set, events, 64, -1);
        SYS(count);
        for (int n = 0; n < count; n++) {
            size_t i = events[n].data.u64;
            ssize_t got = recv(sockets[i], bytes, missing[i], 0);
            if (got <= 0)
                bench_die("the server has gone", NULL);
            missing[i] -= (size_t)got;
            if (missing[i] == 0 && (answered++, sent < requests)) {
                sent++;
                bench_write(sockets[i], bytes, missing[i] = shape->size);
            }
        }
    }
    for (size_t i = 0; i < shape->connections; i++)
        close(sockets[i]);
}

struct order {
    const struct shape *shape;
    int port_pipe[2];
    size_t requests;
};

static void run_client(const void *argument, int unused)
{
    const struct order *order = argument;
    close(unused);
    close(order->port_pipe[1]);
    exchange(order->port_pipe[0], order->shape, order->requests);
}

/* ---- what the servers count */

static struct {
    size_t requests, bytes, warm_up, open, ended, connections;
    uint64_t began;
    double before, heap; /* without connections, and when all stand */
} work;

static double heap(void)
{
    struct mallinfo2 info = mallinfo2();
    return (double)(info.uordblks + info.hblkhd);
}

static void accepted(void)
{
    if (++work.open == work.connections)
        work.heap = heap();
}

/* So many bytes were echoed. */
static void echoed(size_t bytes)
{
    if (work.bytes < work.warm_up && work.bytes + bytes >= work.warm_up)
        work.began = bench_spent();
    work.bytes += bytes;
}

static bool is_over(void)
{
    return work.open > 0 && work.ended == work.open;
}

/* ---- libuv */

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    static char room[65536];
    (void)handle, (void)wanted;
    *buffer = uv_buf_init(room, sizeof room);
}

static void on_written(uv_write_t *write, int status)
{
    UV(status);
    free(write);
}

static void on_closed(uv_handle_t *handle)
{
    work.ended++;
    if (is_over())
        uv_stop(handle->loop);
    free(handle);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    if (size == 0)
        return;
    if (size < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    echoed((size_t)size);
    uv_buf_t all = uv_buf_init(buffer->base, (unsigned)size);
    int sent = uv_try_write(stream, &all, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    UV(sent);
    if (sent == size)
        return;
    uv_write_t *rest = malloc(sizeof *rest + (size_t)(size - sent));
    if (rest == NULL)
        bench_die("malloc", NULL);
    memcpy(rest + 1, buffer->base + sent, (size_t)(size - sent));
    uv_buf_t left = uv_buf_init((char *)(rest + 1), (unsigned)(size - sent));
    UV(uv_write(rest, stream, &left, 1, on_written));
}

static void on_connection(uv_stream_t *listener, int status)
{
    UV(status);
    uv_tcp_t *tcp = malloc(sizeof *tcp);
    if (tcp == NULL)
        bench_die("malloc", NULL);
    UV(uv_tcp_init(listener->loop, tcp));
    UV(uv_accept(listener, (uv_stream_t *)tcp));
    UV(uv_tcp_nodelay(tcp, 1));
    UV(uv_read_start((uv_stream_t *)tcp, on_alloc, on_read));
    accepted();
}

static void serve_libuv(int fd, bool hosted, double *metrics_out)
{
    uv_loop_t loop;
    uv_tcp_t listener;
    UV(uv_loop_init(&loop));
    UV(uv_tcp_init(&loop, &listener));
    UV(uv_tcp_open(&listener, fd));
    UV(uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection));
    work.before = heap();
    struct pollfd watched = {.fd = uv_backend_fd(&loop), .events = POLLIN};
    uv_run(&loop, hosted ? UV_RUN_NOWAIT : UV_RUN_DEFAULT);
    while (!is_over()) {
        SYS(poll(&watched, 1, uv_backend_timeout(&loop)));
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    metrics_out[0] = (double)(bench_spent() - work.began) / (double)(work.requests - WARM_UP);
}

static void serve_uv(int listener, double *metrics_out)
{
    serve_libuv(listener, false, metrics_out);
}

static void serve_uv_poll(int listener, double *metrics_out)
{
    serve_libuv(listener, true, metrics_out);
}

/* ---- the guest */

static void told_closed(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    (void)id, (void)os_error, (void)user_data;
    GUEST(status);
    work.ended++;
    if (is_over())
        GUEST(guest_cancel(g));
}

static void told_read(guest_t *g, guest_id_t id, const void *data, size_t size, void *user_data)
{
    (void)user_data;
    if (size == 0) {
        GUEST(guest_stream_close(g, id));
        return;
    }
    echoed(size);
    guest_buffer_t buffer = {data, size};
    GUEST(guest_stream_write(g, id, &buffer, 1, NULL, NULL));
}

static void told_offer(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    (void)os_error, (void)user_data;
    guest_stream_options_t options = {
        .struct_size = sizeof options, .read = told_read, .closed = told_closed, .flags = GUEST_STREAM_NODELAY};
    GUEST(status);
    GUEST(guest_stream_accept(g, id, &options, NULL, NULL, NULL));
    accepted();
}

static void serve_guest(int listener, uint32_t drive, double *metrics_out)
{
    guest_t *g;
    guest_options_t options = {.struct_size = sizeof options, .drive = drive};
    GUEST(guest_start(NULL, &options, &g));
    GUEST(guest_listener_adopt(g, listener, told_offer, NULL, NULL, NULL));
    work.before = heap();
    if (drive == GUEST_DRIVE_RUN) {
        GUEST(guest_run(g, GUEST_FOREVER));
    } else {
        struct pollfd watched = {.events = POLLIN};
        GUEST(guest_fd(g, &watched.fd));
        while (!is_over()) {
            SYS(poll(&watched, 1, -1));
            GUEST(guest_deliver_batch(g, 0));
        }
    }
    metrics_out[0] = (double)(bench_spent() - work.began) / (double)(work.requests - WARM_UP);
    guest_free(g);
}

static void serve_guest_run(int listener, double *metrics_out)
{
    serve_guest(listener, GUEST_DRIVE_RUN, metrics_out);
}

static void serve_guest_poll(int listener, double *metrics_out)
{
    serve_guest(listener, GUEST_DRIVE_FD, metrics_out);
}

/* ---- a round */

static void run_server(const void *setup, double *metrics_out)
{
    const struct shape *shape = setup;
    size_t requests = shape->size < LARGEST ? 100000 : 10000;
    struct order order = {.shape = shape, .requests = bench_size(requests, 2000)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int unused, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SYS(listener);
    SYS(bind(listener, (struct sockaddr *)&address, sizeof address));
    SYS(getsockname(listener, (struct sockaddr *)&address, &length));
    /* The backlog waits for nobody: a connection before `listen` would be refused. */
    SYS(listen(listener, BACKLOG));
    SYS(pipe(order.port_pipe));
    work.requests = order.requests;
    work.warm_up = (WARM_UP + shape->idle) * shape->size;
    work.connections = shape->connections;
    pid_t client = bench_fork(run_client, &order, &unused);
    bench_write(order.port_pipe[1], &address, sizeof address);
    shape->serve(listener, metrics_out);
    metrics_out[1] = (work.heap - work.before) / (double)work.connections;
    bench_join(client);
    close(unused);
    close(order.port_pipe[0]);
    close(order.port_pipe[1]);
}

static void compare(size_t active, size_t idle, size_t size)
{
    const struct shape shapes[] = {
        {serve_uv, active + idle, idle, size},
        {serve_guest_run, active + idle, idle, size},
        {serve_guest_poll, active + idle, idle, size},
        {serve_uv_poll, active + idle, idle, size},
    };
    const struct bench_side sides[] = {
        {"libuv", run_server, &shapes[0]},
        {"guest", run_server, &shapes[1]},
        {"guest", run_server, &shapes[2]},
        {"libuv by its backend fd", run_server, &shapes[3]},
    };
    char works[3][128], beside[40] = "";
    if (idle > 0)
        snprintf(beside, sizeof beside, " beside %zu idle", idle);
    snprintf(works[0], sizeof works[0], "TCP echo, %zu x %zu B%s, guest_run", active, size, beside);
    snprintf(works[1], sizeof works[1], "TCP echo, %zu x %zu B%s, drive FD in a poll host", active, size, beside);
    snprintf(works[2], sizeof works[2], "heap for a connection (%zu)", active + idle);
    const struct bench_row rows[] = {
        {works[0], 0, 1, 0, UNIT_EACH, 1.0, false},
        {works[1], 0, 2, 0, UNIT_EACH, 1.0, false},
        {works[1], 3, 2, 0, UNIT_EACH, 1.0, false},
        {works[2], 0, 1, 1, UNIT_BYTES, 1.0, false},
    };
    /* The tables of a few connections say nothing of each. */
    bench_compare(sides, COUNT_OF(sides), rows, COUNT_OF(rows) - (idle == 0), 7);
}

void bench_streams(void)
{
    static const size_t connections[] = {1, 50, 1000}, sizes[] = {64, 1024, LARGEST};
    for (size_t i = 0; i < COUNT_OF(connections); i++)
        for (size_t n = 0; n < COUNT_OF(sizes); n++)
            compare(connections[i], 0, sizes[n]);
    compare(100, bench_size(10000, 100), 64);
}
