/* sockets.c: datagrams that are echoed, and connections that are accepted, against libuv's.
 *
 * The client is a process of its own, the same for all sides, and does as much as the server takes. What counts is the server's
 * processor time for a datagram or a connection.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "bench.h"

enum { WINDOW = 16, SIZE = 64, PARALLEL = 64, BACKLOG = 1024 };

/* What is served, and by whom. */
struct shape {
    int type;
    void (*serve)(int fd);
    void (*client)(int fd, size_t count);
};

static struct {
    size_t count, wanted;
    uint64_t began;
} work;

/* One more was served. Says whether that was the last. */
static bool served(void)
{
    if (work.count++ == 0)
        work.began = bench_spent();
    return work.count == work.wanted;
}

/* ---- the clients; `fd` is connected, or for connections the first of many */

static void datagrams(int fd, size_t count)
{
    char bytes[SIZE] = {0};
    for (size_t sent = 0, answered = 0; answered < count; answered++) {
        while (sent < count && sent < answered + WINDOW) {
            SYS(send(fd, bytes, sizeof bytes, 0));
            sent++;
        }
        SYS(recv(fd, bytes, sizeof bytes, 0));
    }
}

/* Each says nothing, and is closed by the server when that has learnt it. */
static void connections(int fd, size_t count)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int sockets[PARALLEL] = {fd};
    char byte;
    SYS(getpeername(fd, (struct sockaddr *)&address, &length));
    for (size_t made = 0; made < count;) {
        size_t n = count - made < PARALLEL ? count - made : PARALLEL;
        for (size_t i = made == 0; i < n; i++) {
            SYS(sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            SYS(connect(sockets[i], (struct sockaddr *)&address, sizeof address));
        }
        for (size_t i = 0; i < n; i++)
            SYS(shutdown(sockets[i], SHUT_WR));
        for (size_t i = 0; i < n; i++) {
            SYS(recv(sockets[i], &byte, 1, 0));
            close(sockets[i]);
        }
        made += n;
    }
}

/* ---- libuv */

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    static char room[65536];
    (void)handle, (void)wanted;
    *buffer = uv_buf_init(room, sizeof room);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    uv_loop_t *loop = stream->loop;
    (void)buffer;
    if (size != UV_EOF)
        bench_die("the client has said something", NULL);
    uv_close((uv_handle_t *)stream, on_closed);
    if (served())
        uv_stop(loop);
}

static void on_connection(uv_stream_t *listener, int status)
{
    UV(status);
    uv_tcp_t *tcp = malloc(sizeof *tcp);
    if (tcp == NULL)
        bench_die("malloc", NULL);
    UV(uv_tcp_init(listener->loop, tcp));
    UV(uv_accept(listener, (uv_stream_t *)tcp));
    UV(uv_read_start((uv_stream_t *)tcp, on_alloc, on_read));
}

static void accept_by_uv(int fd)
{
    uv_loop_t loop;
    uv_tcp_t listener;
    UV(uv_loop_init(&loop));
    UV(uv_tcp_init(&loop, &listener));
    UV(uv_tcp_open(&listener, fd));
    UV(uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection));
    UV(uv_run(&loop, UV_RUN_DEFAULT) > 0 ? 0 : UV_ECANCELED);
}

static void on_datagram(uv_udp_t *udp, ssize_t size, const uv_buf_t *buffer, const struct sockaddr *from,
                        unsigned flags)
{
    (void)flags;
    UV((int)size);
    if (from == NULL)
        return;
    uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)size);
    UV(uv_udp_try_send(udp, &answer, 1, from));
    if (served())
        uv_stop(udp->loop);
}

static void echo_by_uv(int fd)
{
    uv_loop_t loop;
    uv_udp_t udp;
    UV(uv_loop_init(&loop));
    UV(uv_udp_init(&loop, &udp));
    UV(uv_udp_open(&udp, fd));
    UV(uv_udp_recv_start(&udp, on_alloc, on_datagram));
    UV(uv_run(&loop, UV_RUN_DEFAULT) > 0 ? 0 : UV_ECANCELED);
}

/* ---- the guest */

static void told_closed(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    (void)g, (void)id, (void)status, (void)os_error, (void)user_data;
}

static void told_read(guest_t *g, guest_id_t id, const void *data, size_t size, void *user_data)
{
    (void)data, (void)user_data;
    if (size != 0)
        bench_die("the client has said something", NULL);
    GUEST(guest_close(g, id));
    if (served())
        GUEST(guest_cancel(g));
}

static void told_offer(guest_t *g, guest_id_t listener, guest_status_t status, int32_t os_error, void *user_data)
{
    guest_stream_options_t options = {.struct_size = sizeof options, .read = told_read, .closed = told_closed};
    (void)os_error, (void)user_data;
    GUEST(status);
    GUEST(guest_stream_accept(g, listener, &options, NULL, NULL, NULL));
}

static void told_datagram(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error,
                          const guest_address_t *from, const void *data, size_t size, void *user_data)
{
    guest_buffer_t answer = {data, size};
    (void)os_error, (void)user_data;
    GUEST(status);
    GUEST(guest_udp_send(g, id, from, &answer, 1));
    if (served())
        GUEST(guest_cancel(g));
}

static guest_t *start(void)
{
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_RUN};
    guest_t *g;
    GUEST(guest_start(NULL, &options, &g));
    return g;
}

static void accept_by_guest(int fd)
{
    guest_t *g = start();
    GUEST(guest_listener_adopt(g, fd, told_offer, NULL, NULL, NULL));
    GUEST(guest_run(g, GUEST_FOREVER));
    guest_free(g);
}

static void echo_by_guest(int fd)
{
    guest_t *g = start();
    GUEST(guest_udp_adopt(g, fd, told_datagram, NULL, NULL, NULL));
    GUEST(guest_run(g, GUEST_FOREVER));
    guest_free(g);
}

/* ---- a round */

struct order {
    const struct shape *shape;
    int fd;
    size_t count;
};

static void run_client(const void *argument, int unused)
{
    const struct order *order = argument;
    close(unused);
    order->shape->client(order->fd, order->count);
}

static void run_server(const void *setup, double *metrics_out)
{
    const struct shape *shape = setup;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct order order = {.shape = shape, .count = bench_size(shape->type == SOCK_DGRAM ? 100000 : 10000, 1000)};
    int unused, server = socket(AF_INET, shape->type | SOCK_CLOEXEC, 0);
    SYS(server);
    SYS(bind(server, (struct sockaddr *)&address, sizeof address));
    SYS(getsockname(server, (struct sockaddr *)&address, &length));
    if (shape->type == SOCK_STREAM)
        SYS(listen(server, BACKLOG));
    SYS(order.fd = socket(AF_INET, shape->type | SOCK_CLOEXEC, 0));
    SYS(connect(order.fd, (struct sockaddr *)&address, sizeof address));
    work.wanted = order.count;
    pid_t client = bench_fork(run_client, &order, &unused);
    close(order.fd);
    shape->serve(server);
    metrics_out[0] = (double)(bench_spent() - work.began) / (double)(work.count - 1);
    bench_join(client);
    close(unused);
}

static void compare(const char *what, const struct shape shapes[2])
{
    const struct bench_side sides[] = {{"libuv", run_server, &shapes[0]}, {"guest", run_server, &shapes[1]}};
    const struct bench_row row = {what, 0, 1, 0, UNIT_EACH, 1.0, false};
    bench_compare(sides, COUNT_OF(sides), &row, 1, 7);
}

void bench_sockets(void)
{
    static const struct shape echoes[] = {{SOCK_DGRAM, echo_by_uv, datagrams}, {SOCK_DGRAM, echo_by_guest, datagrams}};
    static const struct shape accepts[] = {{SOCK_STREAM, accept_by_uv, connections},
                                           {SOCK_STREAM, accept_by_guest, connections}};
    compare("UDP echo, 64 B, guest_run", echoes);
    compare("TCP connection accepted, read to its end and closed, guest_run", accepts);
}
