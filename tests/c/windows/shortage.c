/* Hazard: the system has no more handles, threads or memory. What is asked for then is refused with a status and leaves no
 * trace; what was accepted before goes on; afterwards all is as it was.
 *
 * The calls by which the library asks the system are led through functions of ours, of which one fails at a chosen time. */
#include "events.h"

#include <winternl.h>

#define QUOTA_EXCEEDED ((NTSTATUS)0xC0000044)

/* Which function fails on this thread, after how many calls more, and how often. */
static void *lacking;
static unsigned calls_left, failures_left;
static DWORD host_thread;

static bool fails(void *function)
{
    if (function != lacking || failures_left == 0 || GetCurrentThreadId() != host_thread)
        return false;
    if (calls_left > 0) {
        calls_left--;
        return false;
    }
    failures_left--;
    SetLastError(ERROR_NOT_ENOUGH_QUOTA);
    return true;
}

#define SHORT(name, type, failure, parameters, arguments)                                                              \
    static type(WINAPI *real_##name) parameters;                                                                       \
    static type WINAPI short_##name parameters                                                                         \
    {                                                                                                                  \
        return fails(&real_##name) ? failure : real_##name arguments;                                                  \
    }

SHORT(CreateIoCompletionPort, HANDLE, NULL, (HANDLE a, HANDLE b, ULONG_PTR c, DWORD d), (a, b, c, d))
SHORT(CreateEventW, HANDLE, NULL, (LPSECURITY_ATTRIBUTES a, BOOL b, BOOL c, LPCWSTR d), (a, b, c, d))
SHORT(CreateWaitableTimerExW, HANDLE, NULL, (LPSECURITY_ATTRIBUTES a, LPCWSTR b, DWORD c, DWORD d), (a, b, c, d))
SHORT(RegisterWaitForSingleObject, BOOL, FALSE, (PHANDLE a, HANDLE b, WAITORTIMERCALLBACK c, PVOID d, ULONG e, ULONG f),
      (a, b, c, d, e, f))
SHORT(DuplicateHandle, BOOL, FALSE, (HANDLE a, HANDLE b, HANDLE c, LPHANDLE d, DWORD e, BOOL f, DWORD g),
      (a, b, c, d, e, f, g))
SHORT(CreateThread, HANDLE, NULL,
      (LPSECURITY_ATTRIBUTES a, SIZE_T b, LPTHREAD_START_ROUTINE c, LPVOID d, DWORD e, LPDWORD f), (a, b, c, d, e, f))
SHORT(OpenProcess, HANDLE, NULL, (DWORD a, BOOL b, DWORD c), (a, b, c))
SHORT(NtCreateFile, NTSTATUS, QUOTA_EXCEEDED,
      (PHANDLE a, ACCESS_MASK b, POBJECT_ATTRIBUTES c, PIO_STATUS_BLOCK d, PLARGE_INTEGER e, ULONG f, ULONG g, ULONG h,
       ULONG i, PVOID j, ULONG k),
      (a, b, c, d, e, f, g, h, i, j, k))
SHORT(NtDeviceIoControlFile, NTSTATUS, QUOTA_EXCEEDED,
      (HANDLE a, HANDLE b, PIO_APC_ROUTINE c, PVOID d, PIO_STATUS_BLOCK e, ULONG f, PVOID g, ULONG h, PVOID i, ULONG j),
      (a, b, c, d, e, f, g, h, i, j))
SHORT(PostQueuedCompletionStatus, BOOL, FALSE, (HANDLE a, DWORD b, ULONG_PTR c, LPOVERLAPPED d), (a, b, c, d))

static const struct function {
    const char *name;
    void *instead, **real;
} functions[] = {
#define FUNCTION(name) {#name, (void *)short_##name, (void **)&real_##name}
    FUNCTION(CreateIoCompletionPort),
    FUNCTION(CreateEventW),
    FUNCTION(CreateWaitableTimerExW),
    FUNCTION(RegisterWaitForSingleObject),
    FUNCTION(DuplicateHandle),
    FUNCTION(CreateThread),
    FUNCTION(OpenProcess),
    FUNCTION(NtCreateFile),
    FUNCTION(NtDeviceIoControlFile),
    FUNCTION(PostQueuedCompletionStatus),
};

static void lead_through(char *module, const IMAGE_IMPORT_DESCRIPTOR *from, const struct function *function)
{
    const IMAGE_THUNK_DATA *name = (IMAGE_THUNK_DATA *)(module + from->OriginalFirstThunk);
    IMAGE_THUNK_DATA *slot = (IMAGE_THUNK_DATA *)(module + from->FirstThunk);
    for (; name->u1.AddressOfData; name++, slot++) {
        DWORD before;
        if (IMAGE_SNAP_BY_ORDINAL(name->u1.Ordinal) ||
            strcmp(((IMAGE_IMPORT_BY_NAME *)(module + name->u1.AddressOfData))->Name, function->name) != 0)
            continue;
        *function->real = (void *)slot->u1.Function;
        ASSERT(VirtualProtect(slot, sizeof *slot, PAGE_READWRITE, &before));
        slot->u1.Function = (ULONG_PTR)function->instead;
        ASSERT(VirtualProtect(slot, sizeof *slot, before, &before));
    }
}

/* The library's imports: the DLL's, or those of the program that it is linked into. */
static void lead_all_through(void)
{
    char *module = (char *)GetModuleHandleA("asyncguest.dll");
    if (!module)
        module = (char *)GetModuleHandleA(NULL);
    const IMAGE_NT_HEADERS *header = (IMAGE_NT_HEADERS *)(module + ((IMAGE_DOS_HEADER *)module)->e_lfanew);
    const IMAGE_DATA_DIRECTORY *imports = &header->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
    const IMAGE_IMPORT_DESCRIPTOR *from;
    for (size_t i = 0; i < COUNT(functions); i++) {
        for (from = (IMAGE_IMPORT_DESCRIPTOR *)(module + imports->VirtualAddress); from->Name; from++)
            lead_through(module, from, &functions[i]);
        if (!*functions[i].real)
            FAIL("the library does not call %s", functions[i].name);
    }
    host_thread = GetCurrentThreadId();
}

static void lack(const struct function *function, unsigned after, unsigned failures)
{
    lacking = function->real;
    calls_left = after;
    failures_left = failures;
}

static const struct function *function_named(const char *name)
{
    size_t i = 0;
    while (strcmp(functions[i].name, name) != 0)
        i++;
    return &functions[i];
}

/* Of a call during which one function failed once, or none: how often it was asked is not known beforehand. */
static bool was_refused(guest_status_t status)
{
    int32_t code;
    if (status == GUEST_OK)
        return false;
    ASSERT(failures_left == 0);
    ASSERT(status == GUEST_EOS || status == GUEST_ENOMEM);
    ASSERT_OK(guest_last_error(NULL, &code, NULL, 0, NULL));
    ASSERT_EQ_I64(ERROR_NOT_ENOUGH_QUOTA, code);
    return true;
}

static int32_t post_nowhere(void *data, guest_token_t token)
{
    (void)data, (void)token;
    return 0;
}

TEST(shortage_at_the_start)
{
    guest_host_t host = {.struct_size = sizeof host, .post = post_nowhere};
    guest_stats_t stats = {.struct_size = sizeof stats};
    guest_t *g;
    lead_all_through();
    for (size_t i = 0; i < COUNT(functions); i++) {
        unsigned calls = 0, refusals = 0;
        for (bool met = true; met; calls++) {
            g = NULL;
            lack(&functions[i], calls, 1);
            guest_status_t status = guest_start(&host, NULL, &g);
            met = failures_left == 0;
            refusals += was_refused(status);
            ASSERT((status == GUEST_OK) == (g != NULL));
            lack(&functions[i], 0, 0);
            guest_free(g);
        }
        printf("%s: called %u times, failed once each, refused %u times\n", functions[i].name, calls - 1, refusals);
    }
    ASSERT_OK(guest_start(&host, NULL, &g));
    ASSERT_OK(guest_stats(g, &stats));
    ASSERT_EQ_U64(GUEST_LATCH_HANDLE, stats.latch); /* a trial that failed is none */
    guest_free(g);
}

static toy_t toy;
static channel_t channel;
static HANDLE event;
static pid_t child;

static guest_status_t try_fd(probe_t *probe, guest_id_t *id)
{
    return guest_fd_add(toy.g, (guest_os_fd_t)channel.in, GUEST_READABLE, on_fd, probe, on_drop, id);
}

static guest_status_t try_handle(probe_t *probe, guest_id_t *id)
{
    return guest_handle_add(toy.g, event, on_fd, probe, on_drop, id);
}

static guest_status_t try_child(probe_t *probe, guest_id_t *id)
{
    return guest_child_add(toy.g, (int32_t)child, on_child, probe, on_drop, id);
}

static guest_status_t try_timer(probe_t *probe, guest_id_t *id)
{
    return guest_timer_add(toy.g, SECONDS(3600), 0, on_timer, probe, on_drop, id);
}

static void no_work(void *user_data)
{
    (void)user_data;
}

static guest_status_t try_work(probe_t *probe, guest_id_t *id)
{
    return guest_work(toy.g, no_work, on_work_done, probe, on_drop, id);
}

static const struct source {
    const char *name;
    guest_status_t (*add)(probe_t *probe, guest_id_t *id);
} sources[] = {{"fd", try_fd}, {"handle", try_handle}, {"child", try_child}, {"timer", try_timer}, {"work", try_work}};

/* Each with each function, failing at each of its calls. The drive without a thread, in which nothing else calls them. */
TEST(shortage_while_registering)
{
    channel = channel_open();
    event = new_event();
    child = waiting_child();
    lead_all_through();
    for (size_t s = 0; s < COUNT(sources); s++) {
        unsigned refusals = 0;
        for (size_t i = 0; i < COUNT(functions); i++) {
            unsigned calls = 0;
            for (bool met = true; met; calls++) {
                probe_t probe = PROBE(&toy);
                guest_id_t id = 77;
                toy = (toy_t){0};
                toy_start(&toy, GUEST_DRIVE_FD);
                lack(&functions[i], calls, 1);
                guest_status_t status = sources[s].add(&probe, &id);
                met = failures_left == 0;
                if (was_refused(status)) {
                    refusals++;
                    ASSERT_EQ_U64(77, id);
                    ASSERT_EQ_U64(0, toy_stats(&toy).live_sources);
                    ASSERT_OK(sources[s].add(&probe, &id));
                }
                lack(&functions[i], 0, 0);
                ASSERT(probe.calls == 0 && probe.drops == 0);
                toy_end(&toy);
                ASSERT_EQ_U64(1, probe.drops);
            }
        }
        printf("%s: refused %u times\n", sources[s].name, refusals);
        ASSERT(refusals > 0 || sources[s].add == try_timer);
    }
    channel_close(&channel);
    CloseHandle(event);
    end_child(child);
}

static void act_read_in_shortage(probe_t *probe)
{
    act_read_one(probe);
    lack(function_named("NtDeviceIoControlFile"), 0, 3);
}

static void act_in_shortage(probe_t *probe)
{
    lack(function_named("RegisterWaitForSingleObject"), 0, 3);
    if (probe->calls == 5)
        ResetEvent(event);
}

/* What is asked of the system again and again: it may refuse in between, and all comes all the same. */
TEST(shortage_loses_nothing)
{
    for (uint32_t drive = GUEST_DRIVE_THREAD; drive <= GUEST_DRIVE_FD; drive++) {
        toy = (toy_t){0};
        channel = channel_open();
        event = new_event();
        probe_t fd = {.toy = &toy, .act = act_read_in_shortage, .argument = &channel},
                paused = {.toy = &toy, .act = act_close_self}, handle = {.toy = &toy, .act = act_in_shortage},
                post = PROBE(&toy);
        lead_all_through();
        toy_start(&toy, drive);
        guest_id_t id = add_fd(&toy, channel.in, GUEST_READABLE, &fd);
        channel_write(&channel, 5);
        RUN_UNTIL(&toy, fd.calls == 5);
        ASSERT_OK(guest_close(toy.g, id));
        add_handle(&toy, event, &handle);
        SetEvent(event);
        RUN_UNTIL(&toy, handle.calls == 5);
        /* The change is accepted, and made when there is room. */
        id = add_fd(&toy, channel.in, 0, &paused);
        lack(function_named("NtDeviceIoControlFile"), 0, 3);
        ASSERT_OK(guest_fd_modify(toy.g, id, GUEST_READABLE));
        channel_write(&channel, 1);
        RUN_UNTIL(&toy, paused.drops == 1);
        lack(function_named("PostQueuedCompletionStatus"), 0, 3);
        add_post(&toy, &post);
        RUN_UNTIL(&toy, post.drops == 1);
        toy_end(&toy);
        ASSERT(fd.drops == 1 && handle.drops == 1 && paused.calls == 1 && post.calls == 1);
        channel_close(&channel);
        CloseHandle(event);
    }
}
