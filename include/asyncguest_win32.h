/* asyncguest_win32.h: a guest in a Win32 message loop, in drive THREAD. C99 and C++; needs user32 and nothing to link but it and
 * libasyncguest. Written by hand: asyncguest.h knows no toolkit.
 *
 *     guest_win32_t win32;
 *     if (!guest_win32_init(&win32)) ...              GetLastError says why
 *     win32.host.done = on_done;                      gets &win32; so does on_stall
 *     guest_start(&win32.host, NULL, &win32.guest);
 *     while (GetMessageW(&message, NULL, 0, 0) > 0)   anybody's loop on this thread will do
 *         DispatchMessageW(&message);
 *     guest_free(win32.guest);
 *     guest_win32_clear(&win32);
 *
 * The guest gets its turns by messages to a message-only window. Message boxes, menus, dialogs, and the loops of moving and
 * sizing dispatch those, too: whoever pumps messages on this thread lets the guest go on. (Not so a COM call out of a
 * single-threaded apartment: it dispatches few messages, and the guest goes on when it is over.)
 *
 * A queue that is full, which it is with 10,000 messages, loses nothing: the token is posted again. A guest that is never idle
 * lets input, painting, timers and WM_QUIT have their turns, which Windows puts behind what was posted.
 *
 * In C++: asyncguest/win32.hpp.
 */
#ifndef ASYNCGUEST_WIN32_H
#define ASYNCGUEST_WIN32_H

#include <asyncguest.h>
#include <windows.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A guest's window. Put it where it stays until guest_win32_clear; it may be the first member of a struct of yours, which
 * `done` and `on_stall` then get. */
typedef struct guest_win32_t {
    /* For guest_start. guest_win32_init has set struct_size, data (this struct), post and post_local; the rest is yours. */
    guest_host_t host;
    /* Yours. guest_win32_init sets it to NULL. */
    void *user_data;
    /* For guest_start's last argument, or set by you before the first message is dispatched. */
    guest_t *guest;
    /* Gives the guest its turn, on the host thread. guest_win32_init sets it to guest_win32_deliver; yours may do more, and may
     * destroy this struct. */
    void (*turn)(struct guest_win32_t *win32, guest_token_t token);
    HWND window;
} guest_win32_t;

#define GUEST_WIN32_CLASS L"asyncguest_win32"

/* What the window gets: lparam is the token, and wparam whether the guest has more to do than it has time. And its timer. */
enum { GUEST_WIN32_TURN = WM_APP, GUEST_WIN32_TIMER = 1 };

/* What was posted comes before everything else, which would wait for as long as a guest is busy. So if anything waits, the turn of
 * a guest that has spent its time comes by a timer, which is last. */
static inline BOOL guest_win32_rest(HWND window)
{
    return SetTimer(window, GUEST_WIN32_TIMER, USER_TIMER_MINIMUM, NULL) != 0;
}

/* No GetQueueStatus tells of WM_QUIT. */
static inline BOOL guest_win32_quits(void)
{
    MSG quit;
    return PeekMessageW(&quit, NULL, WM_QUIT, WM_QUIT, PM_NOREMOVE);
}

static inline LRESULT CALLBACK guest_win32_procedure(HWND window, UINT message, WPARAM wparam, LPARAM lparam)
{
    BOOL is_turn = message == GUEST_WIN32_TURN;
    BOOL rests = is_turn && wparam && guest_win32_quits() && guest_win32_rest(window);
    /* Only now: guest_win32_quits has dispatched what other threads had sent. */
    guest_win32_t *win32 = (guest_win32_t *)(ULONG_PTR)GetWindowLongPtrW(window, GWLP_USERDATA);
    if (!win32 || (!is_turn && message != WM_TIMER))
        return DefWindowProcW(window, message, wparam, lparam);
    if (message == WM_TIMER)
        KillTimer(window, GUEST_WIN32_TIMER);
    if (!rests)
        win32->turn(win32, is_turn ? (guest_token_t)lparam : 0);
    return 0;
}

static inline void guest_win32_deliver(guest_win32_t *win32, guest_token_t token)
{
    if (win32->guest)
        guest_deliver_batch(win32->guest, token);
}

static inline int32_t guest_win32_send(HWND window, BOOL busy, guest_token_t token)
{
    if (PostMessageW(window, GUEST_WIN32_TURN, (WPARAM)busy, (LPARAM)token))
        return 0;
    return GetLastError() == ERROR_INVALID_WINDOW_HANDLE ? GUEST_HOST_GONE : -1;
}

static inline int32_t guest_win32_post(void *data, guest_token_t token)
{
    return guest_win32_send(((guest_win32_t *)data)->window, FALSE, token);
}

/* The guest has spent its time and has more to do. */
static inline int32_t guest_win32_post_local(void *data, guest_token_t token)
{
    HWND window = ((guest_win32_t *)data)->window;
    if (HIWORD(GetQueueStatus(QS_INPUT | QS_PAINT | QS_TIMER)) && guest_win32_rest(window))
        return 0;
    return guest_win32_send(window, TRUE, token);
}

static inline HINSTANCE guest_win32_module(void)
{
    HMODULE module = NULL;
    DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    GetModuleHandleExW(flags, (LPCWSTR)(const void *)(ULONG_PTR)&guest_win32_procedure, &module);
    return module;
}

/* Makes the window. TRUE, or FALSE and GetLastError says why; nothing is left of it then.
 * Thread: that which will be the host's. */
static inline BOOL guest_win32_init(guest_win32_t *win32)
{
    guest_win32_t empty = {{0, NULL, NULL, NULL, NULL, NULL}, NULL, NULL, guest_win32_deliver, NULL};
    WNDCLASSEXW window_class;
    ZeroMemory(&window_class, sizeof window_class);
    window_class.cbSize = sizeof window_class;
    window_class.lpfnWndProc = guest_win32_procedure;
    window_class.hInstance = guest_win32_module();
    window_class.lpszClassName = GUEST_WIN32_CLASS;
    *win32 = empty;
    win32->host.struct_size = sizeof win32->host;
    win32->host.data = win32;
    win32->host.post = guest_win32_post;
    win32->host.post_local = guest_win32_post_local;
    do { /* again if another thread has taken its window, and with it the class, away meanwhile */
        if (!RegisterClassExW(&window_class) && GetLastError() != ERROR_CLASS_ALREADY_EXISTS)
            return FALSE;
        win32->window = CreateWindowExW(0, GUEST_WIN32_CLASS, NULL, 0, 0, 0, 0, 0, HWND_MESSAGE, NULL,
                                        window_class.hInstance, NULL);
    } while (!win32->window && GetLastError() == ERROR_CANNOT_FIND_WND_CLASS);
    if (!win32->window) {
        DWORD why = GetLastError();
        UnregisterClassW(GUEST_WIN32_CLASS,
                         window_class.hInstance); /* fails if another window has it, which is right */
        SetLastError(why);
        return FALSE;
    }
    SetWindowLongPtrW(win32->window, GWLP_USERDATA, (LONG_PTR)(ULONG_PTR)win32);
    return TRUE;
}

/* Takes the window away, and the class with the last one of this module. Call it after guest_free, and where no delivery is on
 * the stack. Thread: host. */
static inline void guest_win32_clear(guest_win32_t *win32)
{
    DestroyWindow(win32->window);
    UnregisterClassW(GUEST_WIN32_CLASS, guest_win32_module());
    win32->window = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
