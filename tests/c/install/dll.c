/* A program that loads the DLL by hand, as one with plug-ins does: the DLL says who it is, and may be let go of at any time,
 * also under a guest. */
#include <stdio.h>
#include <string.h>

#include <windows.h>

#include <asyncguest.h>

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("dll.c:%d: %s does not hold; the last error is %lu\n", __LINE__, #condition, GetLastError());       \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

static const char name[] = "asyncguest.dll";

static HMODULE module;

/* What is used of the library. */
static struct {
    guest_status_t (*start)(const guest_host_t *, const guest_options_t *, guest_t **);
    guest_status_t (*timer_add)(guest_t *, uint64_t, uint64_t, guest_timer_fn, void *, guest_drop_fn, guest_id_t *);
    guest_status_t (*run)(guest_t *, uint64_t);
    guest_status_t (*cancel)(guest_t *);
    void (*free)(guest_t *);
    guest_status_t (*live)(guest_live_t *);
} library;

static int load(void)
{
    module = LoadLibraryA(name);
    MUST(module);
    FARPROC found[] = {GetProcAddress(module, "guest_start"), GetProcAddress(module, "guest_timer_add"),
                       GetProcAddress(module, "guest_run"),   GetProcAddress(module, "guest_cancel"),
                       GetProcAddress(module, "guest_free"),  GetProcAddress(module, "guest_live")};
    MUST(sizeof found == sizeof library);
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
        MUST(found[i]);
    memcpy(&library, found, sizeof library);
    return 0;
}

static int32_t post(void *data, guest_token_t token)
{
    (void)data, (void)token;
    return 0; /* Lost on purpose: guest_run delivers. */
}

static void on_timer(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    (void)id, (void)expirations;
    ++*(int *)user_data;
    library.cancel(g);
}

/* A guest with a thread, which is freed when its timer has come; before that, perhaps, the DLL is let go of. */
static int guest_in(BOOL let_go_of)
{
    guest_host_t host = {0};
    guest_options_t options = {0};
    guest_t *g = NULL;
    int fired = 0;
    host.struct_size = sizeof host;
    host.post = post;
    options.struct_size = sizeof options;
    options.drive = GUEST_DRIVE_THREAD;
    if (load() != 0)
        return 1;
    MUST(library.start(&host, &options, &g) == GUEST_OK);
    MUST(library.timer_add(g, 1000000, 0, on_timer, &fired, NULL, NULL) == GUEST_OK);
    if (let_go_of)
        MUST(FreeLibrary(module));
    MUST(library.run(g, 10000000000u) == GUEST_OK && fired == 1);
    library.free(g);
    guest_live_t live = {.struct_size = sizeof live};
    MUST(library.live(&live) == GUEST_OK && live.guests + live.sources + live.threads == 0);
    if (!let_go_of)
        MUST(FreeLibrary(module));
    return 0;
}

/* The lowest number that is free. Numbers of handles are given out again, and wine does not count handles. */
static int free_handle(void)
{
    HANDLE event = CreateEventA(NULL, FALSE, FALSE, NULL);
    CloseHandle(event);
    return (int)(intptr_t)event;
}

static int is_what_it_says(const char *version)
{
    static char block[4096];
    VS_FIXEDFILEINFO *fixed;
    char *text;
    UINT size;
    int numbers[3];
    MUST(GetFileVersionInfoA(name, 0, sizeof block, block));
    MUST(VerQueryValueA(block, "\\", (void **)&fixed, &size));
    MUST(sscanf(version, "%d.%d.%d", &numbers[0], &numbers[1], &numbers[2]) == 3);
    MUST(fixed->dwFileVersionMS == (DWORD)(numbers[0] << 16 | numbers[1]) &&
         HIWORD(fixed->dwFileVersionLS) == numbers[2]);
    MUST(fixed->dwProductVersionMS == fixed->dwFileVersionMS && fixed->dwFileType == VFT_DLL);
    MUST(VerQueryValueA(block, "\\StringFileInfo\\040904b0\\ProductVersion", (void **)&text, &size));
    MUST(strcmp(text, version) == 0);
    MUST(VerQueryValueA(block, "\\StringFileInfo\\040904b0\\FileDescription", (void **)&text, &size) && *text);
    printf("%s %s: %s\n", name, version, text);
    MUST(VerQueryValueA(block, "\\StringFileInfo\\040904b0\\LegalCopyright", (void **)&text, &size));
    MUST(strstr(text, "MIT"));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2 || is_what_it_says(argv[1]) != 0)
        return 1;
    /* Nobody has started a guest: it goes. */
    MUST(load() == 0 && FreeLibrary(module) && !GetModuleHandleA(name));

    /* The system's pool has what it needs after the first few. */
    int lowest = 0;
    for (int i = 0; i < 110; i++) {
        if (guest_in(FALSE) != 0)
            return 1;
        if (i == 9)
            lowest = free_handle();
    }
    printf("after 10 and 110 guests: lowest free handle %d, %d\n", lowest, free_handle());
    MUST(free_handle() <= lowest + 64); /* a leak of one handle makes 400 */

    /* Under a guest. */
    for (int i = 0; i < 10; i++)
        if (guest_in(TRUE) != 0)
            return 1;
    MUST(GetModuleHandleA(name));
    return 0;
}
