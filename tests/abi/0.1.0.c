/* A program of the days of 0.1.0: compiled against that header, it runs with the present library. It has every kind of
 * source in both forms, callbacks and arrays of events, and reads every struct that the library fills in. */
#include "0.1.0.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The host: its queue of tokens is a pipe. `seen` has a bit for each kind of event. */
static struct host {
    int tokens[2], data[2];
    uint32_t seen;
    unsigned drops;
    int ended;
    pthread_t thread;
} host;

static const uint32_t everything = 1u << GUEST_EVENT_FD | 1u << GUEST_EVENT_TIMER | 1u << GUEST_EVENT_POST |
                                   1u << GUEST_EVENT_SIGNAL | 1u << GUEST_EVENT_CHILD | 1u << GUEST_EVENT_WORK |
                                   1u << GUEST_EVENT_RESOLVE;

static int32_t post(void *data, guest_token_t token)
{
    MUST(data == &host);
    return write(host.tokens[1], &token, sizeof token) == sizeof token ? 0 : -1;
}

static void done(void *data, guest_status_t status)
{
    MUST(data == &host && status == GUEST_OK);
    host.ended++;
}

static void see(uint32_t kind, void *user_data)
{
    MUST(user_data == &host && pthread_equal(pthread_self(), host.thread));
    host.seen |= 1u << kind;
}

static void drop(void *user_data)
{
    MUST(user_data == &host);
    host.drops++;
}

static void read_one(uint32_t events)
{
    char byte;
    MUST(events == GUEST_READABLE && read(host.data[0], &byte, 1) == 1);
}

static void look_at(const guest_address_t *address)
{
    MUST(address->family == AF_INET && address->socktype == SOCK_STREAM && address->length != 0);
    MUST(((const struct sockaddr *)(const void *)address->sockaddr)->sa_family == AF_INET);
}

static void on_fd(guest_t *g, guest_id_t id, uint32_t events, void *user_data)
{
    see(GUEST_EVENT_FD, user_data);
    read_one(events);
    MUST(guest_is_open(g, id) == GUEST_OK && guest_host_data(g) == &host);
}

static void on_timer(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    see(GUEST_EVENT_TIMER, user_data);
    MUST(expirations >= 1 && guest_timer_modify(g, id, GUEST_FOREVER, 0) == GUEST_OK);
}

static void on_post(guest_t *g, void *user_data)
{
    (void)g;
    see(GUEST_EVENT_POST, user_data);
}

static void on_signal(guest_t *g, guest_id_t id, int32_t signum, uint32_t count, void *user_data)
{
    (void)g, (void)id;
    see(GUEST_EVENT_SIGNAL, user_data);
    MUST(signum == SIGUSR1 && count == 1);
}

static void on_child(guest_t *g, guest_id_t id, int32_t exit_code, int32_t term_signal, void *user_data)
{
    (void)g, (void)id;
    see(GUEST_EVENT_CHILD, user_data);
    MUST(exit_code == 7 && term_signal == 0);
}

static void work(void *user_data)
{
    MUST(user_data == &host && !pthread_equal(pthread_self(), host.thread));
}

static void on_work(guest_t *g, guest_id_t id, void *user_data)
{
    (void)g, (void)id;
    see(GUEST_EVENT_WORK, user_data);
}

static void on_resolve(guest_t *g, guest_id_t id, guest_status_t status, int32_t gai_error,
                       const guest_address_t *addresses, size_t count, void *user_data)
{
    (void)g, (void)id;
    see(GUEST_EVENT_RESOLVE, user_data);
    MUST(status == GUEST_OK && gai_error == 0 && count == 1);
    look_at(addresses);
}

static void on_event(const guest_event_t *event)
{
    see(event->kind, event->user_data);
    switch (event->kind) {
    case GUEST_EVENT_FD:
        read_one(event->flags);
        break;
    case GUEST_EVENT_TIMER:
        MUST(event->value >= 1 && event->id != 0);
        break;
    case GUEST_EVENT_POST:
        MUST(event->id == 0);
        break;
    case GUEST_EVENT_SIGNAL:
        MUST(event->value == 1 && event->flags == SIGUSR1);
        break;
    case GUEST_EVENT_CHILD:
        MUST(event->value == 7 && event->flags == 0);
        break;
    case GUEST_EVENT_RESOLVE:
        MUST(event->value == 1);
        look_at(event->data);
        break;
    }
}

static void take_batch(guest_t *g, guest_token_t token)
{
    guest_event_t events[8];
    size_t count = 0;
    guest_status_t status = guest_batch_begin(g, token);
    if (status == GUEST_ESTALE)
        return;
    MUST(status == GUEST_OK);
    do {
        MUST(guest_batch_next(g, events, 8, &count) == GUEST_OK);
        for (size_t i = 0; i < count; i++)
            on_event(&events[i]);
    } while (count != 0);
    MUST(guest_batch_end(g) == GUEST_OK);
}

static void *from_a_thread(void *poster)
{
    MUST(guest_poster_post(poster, on_post, &host, drop) == GUEST_OK);
    guest_poster_free(poster);
    return NULL;
}

static void register_everything(guest_t *g)
{
    guest_poster_t *poster;
    pthread_t thread;
    guest_id_t id;
    MUST(write(host.data[1], "x", 1) == 1);
    MUST(guest_fd_add(g, host.data[0], GUEST_READABLE, on_fd, &host, drop, &id) == GUEST_OK);
    MUST(guest_fd_add(g, host.data[0], GUEST_READABLE, on_fd, &host, drop, NULL) == GUEST_EEXIST);
    MUST(guest_timer_add(g, 1000000, 3600000000000u, on_timer, &host, drop, &id) == GUEST_OK);
    MUST(guest_signal_add(g, SIGUSR1, on_signal, &host, drop, &id) == GUEST_OK);
    MUST(raise(SIGUSR1) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    MUST(guest_child_add(g, child, on_child, &host, drop, &id) == GUEST_OK);
    MUST(guest_work(g, work, on_work, &host, drop, &id) == GUEST_OK);
    MUST(guest_resolve(g, "127.0.0.1", "80", AF_INET, SOCK_STREAM, 0, on_resolve, &host, drop, &id) == GUEST_OK);
    MUST(guest_poster_new(g, &poster) == GUEST_OK);
    MUST(pthread_create(&thread, NULL, from_a_thread, poster) == 0 && pthread_join(thread, NULL) == 0);
}

static void run(uint32_t flags)
{
    guest_host_t functions = {.struct_size = sizeof functions, .data = &host, .post = post, .done = done};
    guest_options_t options = {
        .struct_size = sizeof options, .drive = GUEST_DRIVE_THREAD, .flags = flags, .work_threads = 1};
    guest_stats_t stats = {.struct_size = sizeof stats};
    guest_live_t live = {.struct_size = sizeof live};
    guest_token_t token;
    guest_t *g;
    memset(&host, 0, sizeof host);
    host.thread = pthread_self();
    MUST(pipe(host.tokens) == 0 && pipe(host.data) == 0);
    MUST(guest_start(&functions, &options, &g) == GUEST_OK);
    register_everything(g);
    while (host.seen != everything) {
        MUST(read(host.tokens[0], &token, sizeof token) == sizeof token);
        if (flags & GUEST_FLAG_PULL)
            take_batch(g, token);
        else
            MUST(guest_deliver_batch(g, token) == GUEST_OK);
    }
    MUST(guest_stats(g, &stats) == GUEST_OK && stats.events >= 7 && stats.batches >= 1 && stats.tokens >= 1);
    MUST(stats.live_sources == 3 && stats.live_posts == 0); /* fd, timer and signal are still there */
    MUST(guest_live(&live) == GUEST_OK && live.guests == 1 && live.sources == 3 && live.posters == 0);
    MUST(guest_cancel(g) == GUEST_OK && guest_shutdown(g, 5000000000u) == GUEST_OK);
    MUST(host.ended == 1 && host.drops == 7);
    guest_free(g);
    MUST(guest_live(&live) == GUEST_OK && live.guests == 0 && live.sources == 0 && live.threads == 0);
    for (int i = 0; i < 2; i++)
        MUST(close(host.tokens[i]) == 0 && close(host.data[i]) == 0);
}

int main(void)
{
    char text[200];
    size_t length;
    MUST(guest_version() / 1000000 == GUEST_VERSION_MAJOR && guest_version_string()[0] == '0');
    MUST(strcmp(guest_status_name(GUEST_ESTALE), "GUEST_ESTALE") == 0);
    MUST(guest_status_message(GUEST_EORDER, text, sizeof text, &length) == GUEST_OK && length != 0);
    run(0);
    run(GUEST_FLAG_PULL);
    return 0;
}
