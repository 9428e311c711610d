/* compare.c: a guest beside libuv on Windows, as latency.c and fds.c do it on Linux. Each in its own loop, `guest_run` and
 * `uv_run`, on connected sockets. The sides take turns, and the ratio is taken within each round.
 *
 * Under wine the figures tell what wine's server takes for a poll of the AFD driver, and nothing of Windows. */
#include <stdio.h>
#include <stdlib.h>

#include <asyncguest.h>
#include <uv.h>

enum { ROUNDS = 5, WAKES = 300, WARM_UP = 30, EVENTS = 4000, MOST = 100 };

#define MUST(condition) ((condition) ? (void)0 : die(__LINE__, #condition))

static void die(int line, const char *what)
{
    printf("benches/windows/compare.c:%d: %s does not hold\n", line, what);
    exit(1);
}

static double nanoseconds(void)
{
    static LARGE_INTEGER frequency;
    LARGE_INTEGER now;
    if (frequency.QuadPart == 0)
        QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&now);
    return (double)now.QuadPart * 1e9 / (double)frequency.QuadPart;
}

/* ---- the two loops, as far as they are alike */

/* One socket that is watched: what is called when it is readable. */
struct watch {
    void (*call)(struct watch *);
    SOCKET near_end, far_end;
    void *data;
    uv_poll_t poll;
};

struct loop {
    const struct side *side;
    guest_t *guest;
    uv_loop_t uv;
};

struct side {
    void (*open)(struct loop *);
    void (*watch)(struct loop *, struct watch *);
    void (*run)(struct loop *);
    void (*stop)(struct loop *);
    void (*close)(struct loop *);
};

static void guest_side_open(struct loop *loop)
{
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_RUN};
    MUST(guest_start(NULL, &options, &loop->guest) == GUEST_OK);
}

static void on_guest(guest_t *g, guest_id_t id, uint32_t events, void *user_data)
{
    (void)g, (void)id, (void)events;
    struct watch *watch = user_data;
    watch->call(watch);
}

static void guest_side_watch(struct loop *loop, struct watch *watch)
{
    MUST(guest_fd_add(loop->guest, watch->near_end, GUEST_READABLE, on_guest, watch, NULL, NULL) == GUEST_OK);
}

static void guest_side_run(struct loop *loop)
{
    MUST(guest_run(loop->guest, GUEST_FOREVER) == GUEST_OK);
}

static void guest_side_stop(struct loop *loop)
{
    guest_cancel(loop->guest);
}

static void guest_side_close(struct loop *loop)
{
    guest_free(loop->guest);
}

static void uv_side_open(struct loop *loop)
{
    MUST(uv_loop_init(&loop->uv) == 0);
}

static void on_uv(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct watch *watch = poll->data;
    watch->call(watch);
}

static void uv_side_watch(struct loop *loop, struct watch *watch)
{
    MUST(uv_poll_init_socket(&loop->uv, &watch->poll, watch->near_end) == 0);
    watch->poll.data = watch;
    MUST(uv_poll_start(&watch->poll, UV_READABLE, on_uv) == 0);
}

static void uv_side_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static void uv_side_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

static void close_handle(uv_handle_t *handle, void *argument)
{
    (void)argument;
    uv_close(handle, NULL);
}

static void uv_side_close(struct loop *loop)
{
    uv_walk(&loop->uv, close_handle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    MUST(uv_loop_close(&loop->uv) == 0);
}

enum { GUEST, UV, SIDES };

static const struct side sides[SIDES] = {
    {guest_side_open, guest_side_watch, guest_side_run, guest_side_stop, guest_side_close},
    {uv_side_open, uv_side_watch, uv_side_run, uv_side_stop, uv_side_close},
};

/* ---- sockets */

static void connect_ends(struct watch *watch)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int length = sizeof address, yes = 1;
    SOCKET listener = socket(AF_INET, SOCK_STREAM, 0);
    watch->far_end = socket(AF_INET, SOCK_STREAM, 0);
    MUST(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    MUST(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    MUST(connect(watch->far_end, (struct sockaddr *)&address, sizeof address) == 0);
    watch->near_end = accept(listener, NULL, NULL);
    MUST(watch->near_end != INVALID_SOCKET);
    setsockopt(watch->far_end, IPPROTO_TCP, TCP_NODELAY, (const char *)&yes, sizeof yes);
    setsockopt(watch->near_end, IPPROTO_TCP, TCP_NODELAY, (const char *)&yes, sizeof yes);
    closesocket(listener);
}

static void close_ends(struct watch *watch)
{
    closesocket(watch->near_end);
    closesocket(watch->far_end);
}

/* ---- latency: another thread writes to a host that sleeps */

struct sleeper {
    struct loop loop;
    struct watch watch;
    HANDLE thread;
};

static const char WAKE = 'w', END = 'e';

static void on_byte(struct watch *watch)
{
    struct sleeper *sleeper = watch->data;
    char byte;
    MUST(recv(watch->near_end, &byte, 1, 0) == 1);
    double now = nanoseconds();
    if (byte == END)
        sleeper->loop.side->stop(&sleeper->loop);
    else
        MUST(send(watch->near_end, (const char *)&now, sizeof now, 0) == sizeof now);
}

static DWORD WINAPI sleep_and_serve(void *argument)
{
    struct sleeper *sleeper = argument;
    sleeper->loop.side->open(&sleeper->loop);
    sleeper->loop.side->watch(&sleeper->loop, &sleeper->watch);
    sleeper->loop.side->run(&sleeper->loop);
    sleeper->loop.side->close(&sleeper->loop);
    return 0;
}

static double wake(struct sleeper *sleeper)
{
    double woken, asked;
    Sleep(1);
    asked = nanoseconds();
    MUST(send(sleeper->watch.far_end, &WAKE, 1, 0) == 1);
    MUST(recv(sleeper->watch.far_end, (char *)&woken, sizeof woken, MSG_WAITALL) == sizeof woken);
    return woken - asked;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void latency(double medians[SIDES])
{
    static double samples[SIDES][WAKES];
    struct sleeper sleepers[SIDES] = {0};
    for (int i = 0; i < SIDES; i++) {
        sleepers[i].loop.side = &sides[i];
        sleepers[i].watch.call = on_byte;
        sleepers[i].watch.data = &sleepers[i];
        connect_ends(&sleepers[i].watch);
        sleepers[i].thread = CreateThread(NULL, 0, sleep_and_serve, &sleepers[i], 0, NULL);
    }
    for (int n = -WARM_UP; n < WAKES; n++) {
        for (int i = 0; i < SIDES; i++) {
            int side = (i + n + WARM_UP) % SIDES;
            double taken = wake(&sleepers[side]);
            if (n >= 0)
                samples[side][n] = taken;
        }
    }
    for (int i = 0; i < SIDES; i++) {
        MUST(send(sleepers[i].watch.far_end, &END, 1, 0) == 1);
        WaitForSingleObject(sleepers[i].thread, INFINITE);
        CloseHandle(sleepers[i].thread);
        close_ends(&sleepers[i].watch);
        qsort(samples[i], WAKES, sizeof samples[i][0], compare_doubles);
        medians[i] = samples[i][WAKES / 2];
    }
}

/* ---- fds: many are watched, few are active; the host itself makes them ready */

struct crowd {
    struct loop loop;
    struct watch watched[MOST];
    int registered, active, pending, left;
};

static void start_round(struct crowd *crowd)
{
    crowd->pending = crowd->active;
    for (int i = 0; i < crowd->active; i++)
        MUST(send(crowd->watched[i * (crowd->registered / crowd->active)].far_end, &WAKE, 1, 0) == 1);
}

static void on_ready(struct watch *watch)
{
    struct crowd *crowd = watch->data;
    char byte;
    MUST(recv(watch->near_end, &byte, 1, 0) == 1);
    if (--crowd->left == 0)
        crowd->loop.side->stop(&crowd->loop);
    else if (--crowd->pending == 0)
        start_round(crowd);
}

static double crowd_of(const struct side *side, int registered, int active)
{
    static struct crowd crowd;
    ZeroMemory(&crowd, sizeof crowd);
    crowd.loop.side = side;
    crowd.registered = registered;
    crowd.active = active;
    crowd.left = EVENTS / active * active;
    side->open(&crowd.loop);
    for (int i = 0; i < registered; i++) {
        crowd.watched[i].call = on_ready;
        crowd.watched[i].data = &crowd;
        connect_ends(&crowd.watched[i]);
        side->watch(&crowd.loop, &crowd.watched[i]);
    }
    start_round(&crowd);
    double began = nanoseconds();
    side->run(&crowd.loop);
    double taken = nanoseconds() - began;
    side->close(&crowd.loop);
    for (int i = 0; i < registered; i++)
        close_ends(&crowd.watched[i]);
    return taken / (EVENTS / active * active);
}

/* ---- the table */

/* Prints the medians of ROUNDS figures for each side, and of their ratios. */
static void print_row(const char *work, double figures[SIDES][ROUNDS])
{
    double ratios[ROUNDS];
    for (int i = 0; i < ROUNDS; i++)
        ratios[i] = figures[GUEST][i] / figures[UV][i];
    qsort(ratios, ROUNDS, sizeof ratios[0], compare_doubles);
    for (int side = 0; side < SIDES; side++)
        qsort(figures[side], ROUNDS, sizeof figures[side][0], compare_doubles);
    printf("| %s | %.1f us | %.1f us | %.2f (%.2f-%.2f) |\n", work, figures[UV][ROUNDS / 2] / 1000,
           figures[GUEST][ROUNDS / 2] / 1000, ratios[ROUNDS / 2], ratios[ROUNDS / 4], ratios[ROUNDS - 1 - ROUNDS / 4]);
}

int main(void)
{
    static const int shapes[][2] = {{1, 1}, {100, 1}, {100, 16}};
    double figures[SIDES][ROUNDS];
    WSADATA data;
    MUST(WSAStartup(MAKEWORD(2, 2), &data) == 0);
    printf("libuv %s\n| work | libuv | asyncguest | ratio |\n|---|---|---|---|\n", uv_version_string());
    for (int round = 0; round < ROUNDS; round++) {
        double medians[SIDES];
        latency(medians);
        for (int side = 0; side < SIDES; side++)
            figures[side][round] = medians[side];
    }
    print_row("wake latency, guest_run, p50", figures);
    for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++) {
        char work[64];
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < SIDES; i++) {
                int side = (i + round) % SIDES;
                figures[side][round] = crowd_of(&sides[side], shapes[shape][0], shapes[shape][1]);
            }
        snprintf(work, sizeof work, "socket event, %d of %d active", shapes[shape][1], shapes[shape][0]);
        print_row(work, figures);
    }
    return 0;
}
