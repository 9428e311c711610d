#include "harness.h"

#include <time.h>
#include <tlhelp32.h>

__attribute__((constructor)) static void start_winsock(void)
{
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
}

static HANDLE handle_of(int fd)
{
    return (HANDLE)(intptr_t)fd;
}

int eventfd(unsigned count, int flags)
{
    (void)flags;
    HANDLE event = CreateEventW(NULL, TRUE, count > 0, NULL);
    return event ? (int)(intptr_t)event : -1;
}

/* By the number of what is written to: where that can be read. */
static int far_ends[4096];

int pipe2(int fds[2], int flags)
{
    (void)flags;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int length = sizeof address;
    SOCKET listener = socket(AF_INET, SOCK_STREAM, 0), near_end = socket(AF_INET, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&address, sizeof address);
    listen(listener, 1);
    getsockname(listener, (struct sockaddr *)&address, &length);
    connect(near_end, (struct sockaddr *)&address, sizeof address);
    SOCKET far_end = accept(listener, NULL, NULL);
    closesocket(listener);
    if (far_end == INVALID_SOCKET || near_end / 4 >= COUNT(far_ends) || far_end / 4 >= COUNT(far_ends))
        return -1;
    u_long yes = 1;
    ioctlsocket(near_end, FIONBIO, &yes);
    ioctlsocket(far_end, FIONBIO, &yes);
    setsockopt(near_end, IPPROTO_TCP, TCP_NODELAY, (const char *)&yes, sizeof yes);
    fds[0] = (int)far_end;
    fds[1] = (int)near_end;
    far_ends[near_end / 4] = (int)far_end;
    far_ends[far_end / 4] = (int)near_end;
    return 0;
}

int socketpair(int family, int type, int protocol, int fds[2])
{
    (void)family, (void)type, (void)protocol;
    return pipe2(fds, 0);
}

int poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
    HANDLE handles[MAXIMUM_WAIT_OBJECTS] = {0};
    for (nfds_t i = 0; i < count; i++)
        handles[i] = (HANDLE)(intptr_t)fds[i].fd;
    WaitForMultipleObjects(count, handles, FALSE, milliseconds < 0 ? INFINITE : (DWORD)milliseconds);
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = WaitForSingleObject(handles[i], 0) == WAIT_OBJECT_0 ? POLLIN : 0;
        ready += fds[i].revents != 0;
    }
    return ready;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const void *mask)
{
    (void)mask;
    uint64_t wait = (uint64_t)timeout->tv_sec * 1000u + ((uint64_t)timeout->tv_nsec + 999999u) / 1000000u;
    return poll(fds, count, wait > 3600000u ? 3600000 : (int)wait);
}

static int failed(void)
{
    errno = WSAGetLastError() == WSAEWOULDBLOCK ? EAGAIN : EIO;
    return -1;
}

long long system_read(int fd, void *bytes, size_t count)
{
    int got = recv((SOCKET)fd, bytes, (int)count, 0);
    if (got >= 0)
        return got;
    if (WSAGetLastError() != WSAENOTSOCK)
        return failed();
    return ResetEvent(handle_of(fd)) ? 8 : -1;
}

long long system_write(int fd, const void *bytes, size_t count)
{
    int put = send((SOCKET)fd, bytes, (int)count, 0);
    if (put < 0 && WSAGetLastError() == WSAENOTSOCK)
        return SetEvent(handle_of(fd)) ? 8 : -1;
    if (put < 0)
        return failed();
    u_long there = 0;
    for (uint64_t stop = guest_now() + SECONDS(1); there == 0 && guest_now() < stop; Sleep(0))
        if (ioctlsocket((SOCKET)far_ends[fd / 4], FIONREAD, &there))
            break;
    return put;
}

int system_close(int fd)
{
    if (closesocket((SOCKET)fd) == 0)
        return 0;
    return CloseHandle(handle_of(fd)) ? 0 : failed();
}

/* Of our own: the programs that share a console share what is sent. */
static void need_console(void)
{
    static bool has_console;
    if (has_console)
        return;
    HANDLE standard[2], copies[2], this = GetCurrentProcess();
    const DWORD which[2] = {STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    for (int i = 0; i < 2; i++) {
        standard[i] = GetStdHandle(which[i]);
        DuplicateHandle(this, standard[i], this, &copies[i], 0, TRUE, DUPLICATE_SAME_ACCESS);
    }
    FreeConsole();
    AllocConsole();
    for (int i = 0; i < 2; i++)
        SetStdHandle(which[i], copies[i]);
    SetConsoleCtrlHandler(NULL, FALSE);
    has_console = true;
}

int system_raise(int signum)
{
    uint64_t before = guest_signal_arrivals(signum);
    need_console();
    if (!GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0))
        return -1;
    for (uint64_t stop = guest_now() + limit(SECONDS(10)); guest_signal_arrivals(signum) == before; pass(MS(1)))
        if (guest_now() > stop)
            FAIL("nobody has heard of Ctrl-C");
    return 0;
}

static void (*console_handler)(int);
static latch_t handled = LATCH;

static BOOL WINAPI on_console_event(DWORD event)
{
    console_handler(event == CTRL_C_EVENT ? SIGINT : SIGBREAK);
    latch_open(&handled);
    return TRUE;
}

void in_signal_handler(void (*handler)(int))
{
    unsigned before = handled.count;
    need_console();
    console_handler = handler;
    ASSERT(SetConsoleCtrlHandler(on_console_event, TRUE));
    ASSERT(GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0));
    latch_wait(&handled, before + 1);
    ASSERT(SetConsoleCtrlHandler(on_console_event, FALSE));
}

static PROCESS_INFORMATION start_process(char *line, DWORD flags, HANDLE input)
{
    STARTUPINFOA start = {.cb = sizeof start};
    PROCESS_INFORMATION process;
    if (input) {
        start.dwFlags = STARTF_USESTDHANDLES;
        start.hStdInput = input;
        start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
        start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    }
    if (!CreateProcessA(NULL, line, NULL, NULL, input != NULL, flags, NULL, NULL, &start, &process))
        FAIL("CreateProcess: %lu", GetLastError());
    CloseHandle(process.hThread);
    return process;
}

/* Their handles stay open, so that their numbers are not given out again. */
static pid_t command(char *line, HANDLE input)
{
    return (pid_t)start_process(line, CREATE_NO_WINDOW, input).dwProcessId;
}

static HANDLE handle_of_child(pid_t child)
{
    HANDLE process = OpenProcess(PROCESS_TERMINATE | SYNCHRONIZE, FALSE, (DWORD)child);
    if (!process)
        FAIL("OpenProcess: %lu", GetLastError());
    return process;
}

pid_t ending_child(int code)
{
    char line[64];
    snprintf(line, sizeof line, "cmd /d /c exit %d", code);
    pid_t child = command(line, NULL);
    HANDLE process = handle_of_child(child);
    WaitForSingleObject(process, INFINITE);
    CloseHandle(process);
    return child;
}

/* By the child's number, and as long as it waits: what it reads from. */
static struct {
    pid_t child;
    HANDLE go;
} waiting[16];

pid_t child_for_later(int code)
{
    char line[64];
    HANDLE input, go;
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    ASSERT(CreatePipe(&input, &go, &inherited, 0));
    ASSERT(SetHandleInformation(go, HANDLE_FLAG_INHERIT, 0));
    snprintf(line, sizeof line, "cmd /d /c set /p x= & exit %d", code);
    pid_t child = command(line, input);
    CloseHandle(input);
    for (size_t i = 0; i < COUNT(waiting); i++) {
        if (waiting[i].child == 0) {
            waiting[i].child = child;
            waiting[i].go = go;
            return child;
        }
    }
    FAIL("more than %u children wait", (unsigned)COUNT(waiting));
}

void child_go(pid_t child)
{
    for (size_t i = 0; i < COUNT(waiting); i++) {
        if (waiting[i].child == child) {
            waiting[i].child = 0;
            CloseHandle(waiting[i].go);
        }
    }
}

pid_t waiting_child(void)
{
    char line[] = "cmd /d /c ping -n 3600 127.0.0.1 >nul";
    return command(line, NULL);
}

void kill_child(pid_t child)
{
    HANDLE process = handle_of_child(child);
    TerminateProcess(process, KILLED_CODE);
    CloseHandle(process);
}

void end_child(pid_t child)
{
    kill_child(child);
}

/* Nobody reaps here. */
void assert_reaped(pid_t child)
{
    (void)child;
}

pid_t no_child(void)
{
    return 0x7ffffff0;
}

/* The test anew; this variable says which of the two it is. */
static const char ANEW[] = "ASYNCGUEST_TEST_ANEW";

int in_process(void (*run)(void))
{
    DWORD code;
    if (GetEnvironmentVariableA(ANEW, NULL, 0) != 0) {
        run();
        exit(0);
    }
    SetEnvironmentVariableA(ANEW, "1");
    HANDLE process = start_process(GetCommandLineA(), 0, NULL).hProcess;
    SetEnvironmentVariableA(ANEW, NULL);
    WaitForSingleObject(process, INFINITE);
    ASSERT(GetExitCodeProcess(process, &code));
    CloseHandle(process);
    return (int)code;
}

void end_process(int code)
{
    ExitProcess((UINT)code);
}

/* Not told by wine: the leak of handles has a test of its own (tests/win32.c). */
uint64_t open_fds(void)
{
    return 0;
}

/* Those of the system's pool come and go: the library counts its own. */
uint64_t running_threads(void)
{
    return 0;
}
