/* asyncguest_win32.h under a message loop: scripts/portability.sh. Prints a line for each test; the last counts. */
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

#include "win32/frame.h"

enum { THREADS = 4, POSTS = 25000 };

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

static void a_message_that_somebody_throws_away_comes_again(void)
{
    ULONGLONG until = GetTickCount64() + 60000;
    LONG lost = 0;
    MSG message;
    post_t post;
    world_t world;
    begin(&world);
    post.world = &world;
    post.thread = 0;
    post.number = 0;
    CHECK(guest_poster_post(world.poster, on_post, &post, NULL) == GUEST_OK);
    while (lost < 3 && GetTickCount64() < until) {
        MsgWaitForMultipleObjects(0, NULL, FALSE, 1000, QS_ALLINPUT);
        while (PeekMessageW(&message, NULL, 0, 0, PM_REMOVE))
            ++lost;
    }
    CHECK(lost == 3 && world.posts == 0);
    run_until(&world.posts, 1);
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

static void on_never_idle(guest_t *g, void *user_data)
{
    world_t *world = (world_t *)user_data;
    ULONGLONG until = GetTickCount64() + 2;
    while (GetTickCount64() < until)
        ;
    if (++world->posts < 5000 && !world->over)
        guest_post(g, on_never_idle, world, NULL);
}

static LONG rings;

static VOID CALLBACK on_ring(HWND window, UINT message, UINT_PTR id, DWORD time)
{
    (void)window, (void)message, (void)id, (void)time;
    ++rings;
}

static void a_busy_guest_lets_timers_ring(void)
{
    UINT_PTR timer;
    world_t world;
    begin(&world);
    rings = 0;
    CHECK(guest_post(world.win32.guest, on_never_idle, &world, NULL) == GUEST_OK);
    timer = SetTimer(NULL, 0, 10, on_ring);
    run_until(&rings, 5);
    printf("  5 rings of a timer of 10 ms after %ld callbacks of 2 ms\n", (long)world.posts);
    CHECK(world.posts < 500);
    KillTimer(NULL, timer);
    world.over = 1;
    end(&world);
}

static void on_quit(guest_t *g, void *user_data)
{
    PostQuitMessage(7);
    on_never_idle(g, user_data);
}

static void a_busy_guest_lets_the_loop_quit(void)
{
    MSG message;
    world_t world;
    begin(&world);
    CHECK(guest_post(world.win32.guest, on_quit, &world, NULL) == GUEST_OK);
    while (GetMessageW(&message, NULL, 0, 0) > 0)
        DispatchMessageW(&message);
    printf("  WM_QUIT after %ld callbacks of 2 ms\n", (long)world.posts);
    CHECK(message.message == WM_QUIT && message.wParam == 7 && world.posts < 100);
    world.over = 1;
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

int main(void)
{
    RUN(posts_of_four_threads_come_once_and_in_order);
    RUN(a_full_queue_loses_nothing);
    RUN(a_message_that_somebody_throws_away_comes_again);
    RUN(a_busy_guest_lets_the_window_paint);
    RUN(a_busy_guest_lets_timers_ring);
    RUN(a_busy_guest_lets_the_loop_quit);
    RUN(a_thousand_starts_leave_no_handles);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
