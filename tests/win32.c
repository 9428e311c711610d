/* asyncguest_win32.h under a message loop: scripts/portability.sh. Prints a line for each test; the last counts. */
#include <stdio.h>
#include <windows.h>

/* The queue is full: wine's takes any number of messages, and Windows' 10,000. */
static volatile LONG queue_is_full;

static BOOL post_message(HWND window, UINT message, WPARAM wparam, LPARAM lparam)
{
    if (queue_is_full) {
        SetLastError(ERROR_NOT_ENOUGH_QUOTA);
        return FALSE;
    }
    return PostMessageW(window, message, wparam, lparam);
}

#define PostMessageW post_message
#include <asyncguest_win32.h>
#undef PostMessageW

#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))

enum { THREADS = 4, POSTS = 25000 };

static int passed, failed, bad;

static void fail(int line, const char *what)
{
    printf("tests/win32.c:%d: %s does not hold\n", line, what);
    bad = 1;
}

typedef struct world {
    guest_win32_t win32; /* first: `done` gets it */
    guest_poster_t *poster;
    LONG next[THREADS];
    LONG disorder, posts, timers, inside, painted, over;
} world_t;

static void on_done(void *data, guest_status_t status)
{
    CHECK(status == GUEST_OK);
    ((world_t *)data)->over = 1;
}

static void begin(world_t *world)
{
    ZeroMemory(world, sizeof *world);
    CHECK(guest_win32_init(&world->win32));
    world->win32.host.done = on_done;
    CHECK(guest_start(&world->win32.host, NULL, &world->win32.guest) == GUEST_OK);
    CHECK(guest_poster_new(world->win32.guest, &world->poster) == GUEST_OK);
}

/* Dispatches messages until `*flag` has reached `count`; a minute at most. */
static void run_until(volatile LONG *flag, LONG count)
{
    ULONGLONG until = GetTickCount64() + 60000;
    while (*flag < count && GetTickCount64() < until) {
        MSG message;
        MsgWaitForMultipleObjects(0, NULL, FALSE, 1000, QS_ALLINPUT);
        while (PeekMessageW(&message, NULL, 0, 0, PM_REMOVE))
            DispatchMessageW(&message);
    }
    CHECK(*flag >= count);
}

static void end(world_t *world)
{
    guest_live_t live = {0};
    guest_cancel(world->win32.guest);
    run_until(&world->over, 1);
    guest_free(world->win32.guest);
    guest_poster_free(world->poster);
    guest_win32_clear(&world->win32);
    live.struct_size = sizeof live;
    guest_live(&live);
    CHECK(live.guests + live.sources + live.posts + live.threads + live.posters == 0);
}

/* ---- posts */

typedef struct post {
    world_t *world;
    int thread;
    LONG number;
} post_t;

static void on_post(guest_t *g, void *user_data)
{
    post_t *post = (post_t *)user_data;
    (void)g;
    if (post->world->next[post->thread] != post->number)
        ++post->world->disorder;
    ++post->world->next[post->thread];
    ++post->world->posts;
}

static DWORD WINAPI post_many(void *argument)
{
    post_t *posts = (post_t *)argument;
    for (int i = 0; i < POSTS; i++)
        CHECK(guest_poster_post(posts[i].world->poster, on_post, &posts[i], NULL) == GUEST_OK);
    return 0;
}

static void posts_of_four_threads_come_once_and_in_order(void)
{
    static post_t posts[THREADS][POSTS];
    HANDLE threads[THREADS];
    world_t world;
    begin(&world);
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < POSTS; i++) {
            post_t post = {&world, t, i};
            posts[t][i] = post;
        }
        threads[t] = CreateThread(NULL, 0, post_many, posts[t], 0, NULL);
    }
    run_until(&world.posts, THREADS * POSTS);
    WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE);
    for (int t = 0; t < THREADS; t++)
        CloseHandle(threads[t]);
    CHECK(world.posts == THREADS * POSTS && world.disorder == 0);
    end(&world);
}

/* ---- modal loops */

static void on_tick(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    world_t *world = (world_t *)user_data;
    (void)g, (void)id, (void)expirations;
    ++world->timers;
    if (world->inside && world->timers >= 200) {
        HWND box = FindWindowW(L"#32770", L"asyncguest test");
        if (box)
            EndDialog(box, IDOK);
    }
}

static void on_box(guest_t *g, void *user_data)
{
    world_t *world = (world_t *)user_data;
    (void)g;
    LONG before = world->timers;
    world->inside = 1;
    MessageBoxW(NULL, L"A box that a callback has opened", L"asyncguest test", MB_OK);
    world->inside = 0;
    CHECK(world->timers - before >= 100);
    world->over = 1;
}

static void a_message_box_opened_in_a_callback_stops_nothing(void)
{
    world_t world;
    begin(&world);
    CHECK(guest_timer_add(world.win32.guest, 1000000, 1000000, on_tick, &world, NULL, NULL) == GUEST_OK);
    CHECK(guest_post(world.win32.guest, on_box, &world, NULL) == GUEST_OK);
    run_until(&world.over, 1);
    world.over = 0;
    end(&world);
}

static void a_message_box_of_the_host_stops_nothing(void)
{
    world_t world;
    begin(&world);
    CHECK(guest_timer_add(world.win32.guest, 1000000, 1000000, on_tick, &world, NULL, NULL) == GUEST_OK);
    world.inside = 1;
    MessageBoxW(NULL, L"A box that the program has opened", L"asyncguest test", MB_OK);
    CHECK(world.timers >= 200);
    end(&world);
}

/* ---- a full queue */

static void a_full_queue_loses_nothing(void)
{
    ULONGLONG until = GetTickCount64() + 60000;
    guest_stats_t stats = {0};
    post_t post;
    world_t world;
    begin(&world);
    post.world = &world;
    post.thread = 0;
    post.number = 0;
    stats.struct_size = sizeof stats;
    queue_is_full = 1;
    CHECK(guest_poster_post(world.poster, on_post, &post, NULL) == GUEST_OK);
    do {
        Sleep(1);
        CHECK(guest_stats(world.win32.guest, &stats) == GUEST_OK);
    } while (stats.post_failures < 3 && GetTickCount64() < until);
    queue_is_full = 0;
    CHECK(stats.post_failures >= 3 && world.posts == 0);
    run_until(&world.posts, 1);
    CHECK(world.posts == 1);
    end(&world);
}

/* ---- a busy guest */

static LRESULT CALLBACK paint(HWND window, UINT message, WPARAM wparam, LPARAM lparam)
{
    if (message == WM_PAINT) {
        world_t *world = (world_t *)(ULONG_PTR)GetWindowLongPtrW(window, GWLP_USERDATA);
        ++world->painted;
        ValidateRect(window, NULL);
        return 0;
    }
    return DefWindowProcW(window, message, wparam, lparam);
}

static void on_busy(guest_t *g, void *user_data)
{
    world_t *world = (world_t *)user_data;
    ULONGLONG until = GetTickCount64() + 2;
    while (GetTickCount64() < until)
        ;
    if (!world->painted && ++world->posts < 5000)
        guest_post(g, on_busy, world, NULL);
}

static void a_busy_guest_lets_the_window_paint(void)
{
    WNDCLASSW window_class = {0};
    HWND window;
    world_t world;
    begin(&world);
    window_class.lpfnWndProc = paint;
    window_class.lpszClassName = L"asyncguest paint";
    RegisterClassW(&window_class);
    window = CreateWindowW(L"asyncguest paint", L"", WS_OVERLAPPEDWINDOW | WS_VISIBLE, 0, 0, 200, 200, NULL, NULL, NULL,
                           NULL);
    SetWindowLongPtrW(window, GWLP_USERDATA, (LONG_PTR)(ULONG_PTR)&world);
    CHECK(guest_post(world.win32.guest, on_busy, &world, NULL) == GUEST_OK);
    InvalidateRect(window, NULL, FALSE);
    run_until(&world.painted, 1);
    printf("  painted after %ld callbacks of 2 ms\n", (long)world.posts);
    CHECK(world.posts < 100);
    DestroyWindow(window);
    end(&world);
}

/* ---- starts and stops */

/* The lowest number that is free: numbers of handles are given out again. */
static unsigned long free_number(void)
{
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    CloseHandle(event);
    return (unsigned long)(ULONG_PTR)event;
}

static void a_thousand_starts_leave_no_handles(void)
{
    unsigned long before = 0, after;
    for (int i = 0; i < 1100; i++) {
        world_t world;
        if (i == 100)
            before = free_number();
        begin(&world);
        end(&world);
    }
    after = free_number();
    printf("  the lowest free handle is %lu after 100 starts, %lu after 1,100\n", before, after);
    CHECK(before > 0 && after <= before + 64);
}

static void run(const char *name, void (*test)(void))
{
    bad = 0;
    test();
    printf("%s %s\n", bad ? "FAIL" : "ok  ", name);
    fflush(stdout);
    ++*(bad ? &failed : &passed);
}

#define RUN(test) run(#test, test)

int main(void)
{
    RUN(posts_of_four_threads_come_once_and_in_order);
    RUN(a_message_box_opened_in_a_callback_stops_nothing);
    RUN(a_message_box_of_the_host_stops_nothing);
    RUN(a_full_queue_loses_nothing);
    RUN(a_busy_guest_lets_the_window_paint);
    RUN(a_thousand_starts_leave_no_handles);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
