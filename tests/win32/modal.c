/* The loops that Windows runs by itself, for boxes, dialogs, menus, and windows that are moved and sized: the guest gets its turns
 * in each, also if a callback has opened it. scripts/portability.sh. */
#include <asyncguest_win32.h>

#include "frame.h"

enum { POSTS = 10000 };

static HWND window;

/* A loop that stands while a thread posts, each post when the delivery of the one before is over, so that each takes a token of its
 * own. The last one ends the loop. */
typedef struct stand {
    world_t world; /* first */
    HANDLE came, feeder;
    guest_stats_t before, after;
    LONG standing, inside, sizing, deliveries;
    void (*enter)(struct stand *stand);
    void (*leave)(struct stand *stand);
} stand_t;

static stand_t *current;

/* Moves the mouse, and what it holds. */
static void pull(void)
{
    POINT at;
    CHECK(GetCursorPos(&at));
    CHECK(SetCursorPos(at.x + 40, at.y + 30));
}

static void on_fed(guest_t *g, void *user_data)
{
    stand_t *stand = (stand_t *)user_data;
    (void)g;
    stand->inside += stand->standing;
    if (stand->sizing == 1 && stand->world.posts == POSTS / 2)
        pull();
    if (++stand->world.posts == POSTS)
        stand->leave(stand);
    PostMessageW(window, WM_APP, 0, 0); /* dispatched by the loop, behind this delivery */
}

static DWORD WINAPI feed(void *argument)
{
    stand_t *stand = (stand_t *)argument;
    for (int i = 0; i < POSTS; i++) {
        CHECK(guest_poster_post(stand->world.poster, on_fed, stand, NULL) == GUEST_OK);
        WaitForSingleObject(stand->came, INFINITE);
    }
    return 0;
}

static guest_stats_t stats_of(stand_t *stand)
{
    guest_stats_t stats = {0};
    stats.struct_size = sizeof stats;
    CHECK(guest_stats(stand->world.win32.guest, &stats) == GUEST_OK);
    return stats;
}

static void enter(stand_t *stand)
{
    stand->before = stats_of(stand);
    stand->feeder = CreateThread(NULL, 0, feed, stand, 0, NULL);
    stand->standing = 1;
    stand->enter(stand);
    stand->standing = 0;
    stand->after = stats_of(stand);
    stand->world.over = 1;
}

static void on_enter(guest_t *g, void *user_data)
{
    (void)g;
    enter((stand_t *)user_data);
}

/* The last message that the feeder waits for may be under way. */
static void end_of(HANDLE thread)
{
    MSG message;
    do {
        while (PeekMessageW(&message, NULL, 0, 0, PM_REMOVE))
            DispatchMessageW(&message);
    } while (MsgWaitForMultipleObjects(1, &thread, FALSE, INFINITE, QS_ALLINPUT) != WAIT_OBJECT_0);
}

static void stands(void (*enter_loop)(stand_t *), void (*leave_loop)(stand_t *), int in_callback)
{
    stand_t stand;
    ZeroMemory(&stand, sizeof stand);
    begin(&stand.world);
    current = &stand;
    stand.came = CreateEventW(NULL, FALSE, FALSE, NULL);
    stand.enter = enter_loop;
    stand.leave = leave_loop;
    if (in_callback) {
        CHECK(guest_post(stand.world.win32.guest, on_enter, &stand, NULL) == GUEST_OK);
        run_until(&stand.world.over, 1);
    } else {
        enter(&stand);
    }
    run_until(&stand.world.posts, POSTS);
    printf("  %ld of %d posts came inside, in %lu deliveries\n", (long)stand.inside, POSTS,
           (unsigned long)(stand.after.batches - stand.before.batches));
    CHECK(stand.inside == POSTS && stand.world.posts == POSTS);
    CHECK(stand.after.batches - stand.before.batches >= POSTS);
    end_of(stand.feeder);
    CloseHandle(stand.feeder);
    CloseHandle(stand.came);
    stand.world.over = 0;
    end(&stand.world);
}

/* ---- message boxes */

static void enter_box(stand_t *stand)
{
    (void)stand;
    CHECK(MessageBoxW(window, L"A box", L"asyncguest test", MB_OKCANCEL) == IDOK);
}

static void leave_box(stand_t *stand)
{
    (void)stand;
    CHECK(EndDialog(FindWindowW(L"#32770", L"asyncguest test"), IDOK));
}

static void a_message_box(void)
{
    stands(enter_box, leave_box, 0);
}

static void a_message_box_of_a_callback(void)
{
    stands(enter_box, leave_box, 1);
}

/* ---- dialogs */

static HWND dialog;

static INT_PTR CALLBACK dialog_procedure(HWND made, UINT message, WPARAM wparam, LPARAM lparam)
{
    (void)wparam, (void)lparam;
    if (message == WM_INITDIALOG)
        dialog = made;
    return message == WM_INITDIALOG;
}

static void enter_dialog(stand_t *stand)
{
    struct {
        DLGTEMPLATE template;
        WORD menu, class, title;
    } made;
    (void)stand;
    ZeroMemory(&made, sizeof made);
    made.template.style = WS_POPUP | WS_CAPTION | WS_VISIBLE;
    made.template.cx = made.template.cy = 50;
    CHECK(DialogBoxIndirectParamW(NULL, &made.template, window, dialog_procedure, 0) == 5);
}

static void leave_dialog(stand_t *stand)
{
    (void)stand;
    CHECK(EndDialog(dialog, 5));
}

static void a_dialog(void)
{
    stands(enter_dialog, leave_dialog, 0);
}

static void a_dialog_of_a_callback(void)
{
    stands(enter_dialog, leave_dialog, 1);
}

/* ---- menus */

static void enter_menu(stand_t *stand)
{
    HMENU menu = CreatePopupMenu();
    (void)stand;
    AppendMenuW(menu, MF_STRING, 1, L"An entry");
    CHECK(TrackPopupMenu(menu, TPM_RETURNCMD, 10, 10, 0, window, NULL) == 0);
    DestroyMenu(menu);
}

static void leave_menu(stand_t *stand)
{
    (void)stand;
    EndMenu();
}

static void a_menu(void)
{
    stands(enter_menu, leave_menu, 0);
}

static void a_menu_of_a_callback(void)
{
    stands(enter_menu, leave_menu, 1);
}

/* ---- windows that are moved and sized: WM_ENTERSIZEMOVE begins it, and WM_EXITSIZEMOVE is its end */

/* The mouse has taken a part of the window, and holds it. */
static void drag(stand_t *stand, WPARAM command)
{
    BYTE keys[256];
    RECT before, after;
    GetWindowRect(window, &before);
    GetKeyboardState(keys);
    keys[VK_LBUTTON] = 0x80;
    SetKeyboardState(keys);
    SendMessageW(window, WM_SYSCOMMAND, command, 0);
    CHECK(stand->sizing == 2);
    keys[VK_LBUTTON] = 0;
    SetKeyboardState(keys);
    GetWindowRect(window, &after);
    printf("  from %ld,%ld to %ld,%ld; the right border from %ld to %ld\n", before.left, before.top, after.left,
           after.top, before.right, after.right);
    CHECK(after.right > before.right);
}

static void enter_size(stand_t *stand)
{
    drag(stand, SC_SIZE | WMSZ_RIGHT);
}

static void leave_size(stand_t *stand)
{
    CHECK(stand->sizing == 1);
    PostMessageW(window, WM_LBUTTONUP, 0, 0);
}

static void a_window_that_is_sized(void)
{
    stands(enter_size, leave_size, 0);
}

static void a_window_that_is_sized_by_a_callback(void)
{
    stands(enter_size, leave_size, 1);
}

static void enter_move(stand_t *stand)
{
    drag(stand, SC_MOVE | HTCAPTION);
}

static void leave_move(stand_t *stand)
{
    CHECK(stand->sizing == 1);
    PostMessageW(window, WM_KEYDOWN, VK_RETURN, 0);
}

static void a_window_that_is_moved(void)
{
    stands(enter_move, leave_move, 0);
}

static void a_window_that_is_moved_by_a_callback(void)
{
    stands(enter_move, leave_move, 1);
}

static LRESULT CALLBACK procedure(HWND of, UINT message, WPARAM wparam, LPARAM lparam)
{
    if (message == WM_ENTERSIZEMOVE || message == WM_EXITSIZEMOVE)
        ++current->sizing;
    if (message == WM_APP)
        SetEvent(current->came);
    return DefWindowProcW(of, message, wparam, lparam);
}

/* ---- a loop of other people's, which knows nothing of guests */

static int pump(void)
{
    MSG message;
    while (GetMessageW(&message, NULL, 0, 0) > 0) {
        TranslateMessage(&message);
        DispatchMessageW(&message);
    }
    return (int)message.wParam;
}

static void enter_pump(stand_t *stand)
{
    (void)stand;
    CHECK(pump() == 3);
}

static void leave_pump(stand_t *stand)
{
    (void)stand;
    PostQuitMessage(3);
}

static void a_loop_of_another_library(void)
{
    stands(enter_pump, leave_pump, 0);
}

static void a_loop_of_another_library_in_a_callback(void)
{
    stands(enter_pump, leave_pump, 1);
}

int main(void)
{
    WNDCLASSW made;
    ZeroMemory(&made, sizeof made);
    made.lpfnWndProc = procedure;
    made.lpszClassName = L"asyncguest modal";
    RegisterClassW(&made);
    window = CreateWindowW(L"asyncguest modal", L"", WS_OVERLAPPEDWINDOW | WS_VISIBLE, 50, 50, 300, 200, NULL, NULL,
                           NULL, NULL);
    SetCursorPos(100, 100); /* it has room to be pulled */
    RUN(a_message_box);
    RUN(a_message_box_of_a_callback);
    RUN(a_dialog);
    RUN(a_dialog_of_a_callback);
    RUN(a_menu);
    RUN(a_menu_of_a_callback);
    RUN(a_window_that_is_sized);
    RUN(a_window_that_is_sized_by_a_callback);
    RUN(a_window_that_is_moved);
    RUN(a_window_that_is_moved_by_a_callback);
    RUN(a_loop_of_another_library);
    RUN(a_loop_of_another_library_in_a_callback);
    DestroyWindow(window);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
