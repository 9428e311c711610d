/* away.c: a host that is blocked for two seconds while a peer sends 50 MB/s, with and without reading ahead.
 *
 * The peer is a process of its own, and counts how long its longest send had to wait. The host takes messages from a queue, stops for
 * a while, and goes on: how late is what comes first then, and how much memory has it cost?
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "queue_host.h"

enum { PIECE = 50000, LIMIT = 128 << 20 };
static const uint64_t MILLISECOND = 1000000; /* in which one piece is sent */

static struct {
    size_t received;
    bool ended;
    uint64_t back, late; /* when the host was back, and how late the first read was then */
} work;

static void sleep_until(uint64_t then)
{
    struct timespec at = {(time_t)(then / 1000000000), (long)(then % 1000000000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

struct order {
    int fd;
    size_t pieces;
};

static void run_peer(const void *argument, int results)
{
    static char bytes[PIECE];
    const struct order *order = argument;
    double longest = 0;
    uint64_t began = bench_now();
    for (size_t piece = 0; piece < order->pieces; piece++) {
        uint64_t at = bench_now(), due = began + piece * MILLISECOND;
        if (due > at)
            sleep_until(due);
        at = bench_now();
        bench_write(order->fd, bytes, sizeof bytes);
        double waited = (double)(bench_now() - at);
        longest = waited > longest ? waited : longest;
    }
    close(order->fd);
    bench_write(results, &longest, sizeof longest);
}

static void told_closed(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *user_data)
{
    (void)g, (void)id, (void)os_error, (void)user_data;
    GUEST(status);
}

static void told_read(guest_t *g, guest_id_t id, const void *data, size_t size, void *user_data)
{
    (void)data, (void)user_data;
    if (work.back != 0 && work.late == 0)
        work.late = bench_now() - work.back;
    work.received += size;
    work.ended = size == 0;
    if (work.ended)
        GUEST(guest_close(g, id));
}

static void connected_pair(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SYS(listener);
    SYS(bind(listener, (struct sockaddr *)&address, sizeof address));
    SYS(getsockname(listener, (struct sockaddr *)&address, &length));
    SYS(listen(listener, 1));
    SYS(ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    SYS(connect(ends[1], (struct sockaddr *)&address, sizeof address));
    SYS(ends[0] = accept(listener, NULL, NULL));
    close(listener);
}

static void run_host(const void *setup, double *metrics_out)
{
    const uint64_t block = bench_size(2000, 200) * MILLISECOND;
    struct queue_host queue;
    guest_host_t host = {.struct_size = sizeof host, .data = &queue, .post = queue_host_post};
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_THREAD};
    guest_stream_options_t stream = {.struct_size = sizeof stream, .read = told_read, .closed = told_closed};
    guest_stats_t stats = {.struct_size = sizeof stats};
    guest_t *g;
    int ends[2], results;
    connected_pair(ends);
    struct order order = {.fd = ends[1], .pieces = (size_t)(block / MILLISECOND) + 500};
    pid_t peer = bench_fork(run_peer, &order, &results);
    close(ends[1]);
    queue_host_open(&queue, QUEUE_CONDVAR);
    GUEST(guest_start(&host, &options, &g));
    memcpy(&stream.read_ahead, setup, sizeof stream.read_ahead);
    GUEST(guest_stream_adopt(g, ends[0], &stream, NULL, NULL, NULL));
    while (!work.ended) {
        uint64_t token = queue_host_take(&queue);
        if (work.back == 0 && work.received > 100 * PIECE) {
            sleep_until(bench_now() + block);
            GUEST(guest_stats(g, &stats));
            work.back = bench_now();
        }
        guest_status_t status = guest_deliver_batch(g, token);
        if (status != GUEST_ESTALE)
            GUEST(status);
    }
    if (work.received != order.pieces * PIECE)
        bench_die("bytes were lost", NULL);
    bench_read(results, &metrics_out[0], sizeof metrics_out[0]);
    metrics_out[1] = (double)work.late;
    metrics_out[2] = (double)stats.read_ahead;
    bench_join(peer);
    close(results);
    guest_free(g);
    queue_host_close(&queue);
}

void bench_away(void)
{
    static const uint64_t limits[] = {0, LIMIT};
    const struct bench_side sides[] = {{"without", run_host, &limits[0]}, {"read_ahead", run_host, &limits[1]}};
    const struct bench_row rows[] = {
        {"host blocked for 2 s, peer sends 50 MB/s: its longest wait", 0, 1, 0, UNIT_LATENCY, 20e6, true},
        {"the same: how late the first read is after it", 0, 1, 1, UNIT_LATENCY, 20e6, true},
        {"the same: memory for what was read ahead", 0, 1, 2, UNIT_BYTES, LIMIT, true},
    };
    bench_compare(sides, COUNT_OF(sides), rows, COUNT_OF(rows), 3);
}
