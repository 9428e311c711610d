/* Hazard: handles and sockets that are none, or not the caller's, or of the wrong kind. Each is refused with its status and a
 * text that says what to do, and the guest goes on. */
#include "events.h"

static toy_t toy;

/* The particulars of the refusal, and that it has left no trace. */
static void refused(const char *what, guest_status_t want, int32_t os_error, const char *remedy, guest_status_t got,
                    guest_id_t id)
{
    char text[512];
    int32_t code;
    probe_t timer = PROBE(&toy);
    ASSERT_STATUS(want, got);
    ASSERT_OK(guest_last_error(NULL, &code, text, sizeof text, NULL));
    printf("%s: %s\n", what, text);
    ASSERT_EQ_I64(os_error, code);
    if (!strstr(text, remedy))
        FAIL("%s: \"%s\" does not say \"%s\"", what, text, remedy);
    ASSERT_EQ_U64(77, id);
    ASSERT_EQ_U64(0, toy_stats(&toy).live_sources);
    add_timer(&toy, 0, 0, &timer);
    RUN_UNTIL(&toy, timer.drops == 1);
    ASSERT_EQ_U64(1, timer.calls);
}

static void no_handle(const char *what, HANDLE handle, guest_status_t want, int32_t os_error, const char *remedy)
{
    guest_id_t id = 77;
    probe_t probe = PROBE(&toy);
    guest_status_t got = guest_handle_add(toy.g, handle, on_fd, &probe, on_drop, &id);
    refused(what, want, os_error, remedy, got, id);
    ASSERT_EQ_U64(0, probe.calls + probe.drops);
}

static void no_socket(const char *what, uintptr_t number, guest_status_t want, int32_t os_error, const char *remedy)
{
    guest_id_t id = 77;
    probe_t probe = PROBE(&toy);
    guest_status_t got = guest_fd_add(toy.g, number, GUEST_READABLE, on_fd, &probe, on_drop, &id);
    refused(what, want, os_error, remedy, got, id);
    ASSERT_EQ_U64(0, probe.calls + probe.drops);
}

static void closed(HANDLE handle)
{
    ASSERT(handle && handle != INVALID_HANDLE_VALUE);
    ASSERT(CloseHandle(handle));
}

static HANDLE this_file(void)
{
    char path[MAX_PATH];
    ASSERT(GetModuleFileNameA(NULL, path, sizeof path));
    return CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
}

TEST(refused_handles)
{
    HKEY key;
    HANDLE token, event, mutex = CreateMutexW(NULL, FALSE, NULL);
    HANDLE mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 4096, NULL);
    SOCKET udp = socket(AF_INET, SOCK_DGRAM, 0);
    ASSERT(RegOpenKeyExW(HKEY_CURRENT_USER, L"Software", 0, KEY_READ, &key) == ERROR_SUCCESS);
    ASSERT(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token));
    toy_start(&toy, GUEST_DRIVE_THREAD);
    no_handle("NULL", NULL, GUEST_EINVAL, 0, "pass an open socket or handle");
    no_handle("INVALID_HANDLE_VALUE", INVALID_HANDLE_VALUE, GUEST_EINVAL, 0, "pass an open socket or handle");
    event = new_event();
    closed(event); /* just now: the number comes again soon */
    no_handle("a closed event", event, GUEST_EOS, ERROR_INVALID_HANDLE, "not open");
    no_handle("a number of no handle", (HANDLE)(uintptr_t)0x7ffc, GUEST_EOS, ERROR_INVALID_HANDLE, "not open");
    no_handle("a mutex", mutex, GUEST_EOS, ERROR_INVALID_PARAMETER, "an event, a semaphore");
    no_handle("a key", key, GUEST_EOS, ERROR_INVALID_PARAMETER, "an event, a semaphore");
    no_handle("a token", token, GUEST_EOS, ERROR_INVALID_PARAMETER, "an event, a semaphore");
    no_handle("a file mapping", mapping, GUEST_EOS, ERROR_INVALID_PARAMETER, "an event, a semaphore");
    no_handle("a socket", (HANDLE)udp, GUEST_EOS, WSAEOPNOTSUPP, "guest_fd_add");
    toy_end(&toy);
    closed(mutex);
    closed(token);
    closed(mapping);
    RegCloseKey(key);
    closesocket(udp);
}

TEST(refused_sockets)
{
    HANDLE file = this_file(), event = new_event(), input, output;
    SOCKET udp = socket(AF_INET, SOCK_DGRAM, 0);
    ASSERT(CreatePipe(&input, &output, NULL, 0));
    toy_start(&toy, GUEST_DRIVE_THREAD);
    no_socket("NULL", 0, GUEST_EINVAL, 0, "pass an open socket or handle");
    no_socket("INVALID_SOCKET", INVALID_SOCKET, GUEST_EINVAL, 0, "pass an open socket or handle");
    closesocket(udp);
    no_socket("a closed socket", udp, GUEST_EOS, WSAENOTSOCK, "no open socket of this process");
    no_socket("a number that only another process has", 0x7ffc, GUEST_EOS, WSAENOTSOCK,
              "no open socket of this process");
    no_socket("a file", (uintptr_t)file, GUEST_EOS, WSAENOTSOCK, "guest_work");
    no_socket("a pipe", (uintptr_t)input, GUEST_EOS, WSAENOTSOCK, "guest_work");
    no_socket("an event", (uintptr_t)event, GUEST_EOS, WSAENOTSOCK, "no open socket of this process");
    toy_end(&toy);
    closed(file);
    closed(event);
    closed(input);
    closed(output);
}

/* One that its owner has handed over in the proper way is a socket as any other. */
TEST(accepted_duplicate_of_a_socket)
{
    WSAPROTOCOL_INFOW info;
    channel_t channel = channel_open();
    probe_t probe = {.toy = &toy, .act = act_read_one, .argument = &channel};
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT(WSADuplicateSocketW((SOCKET)channel.in, GetCurrentProcessId(), &info) == 0);
    SOCKET copy = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0, 0);
    ASSERT(copy != INVALID_SOCKET && copy != (SOCKET)channel.in);
    guest_id_t id = add_fd(&toy, (int)copy, GUEST_READABLE, &probe);
    channel_write(&channel, 3);
    RUN_UNTIL(&toy, probe.calls == 3);
    ASSERT_OK(guest_close(toy.g, id));
    toy_end(&toy);
    closesocket(copy);
    channel_close(&channel);
}
