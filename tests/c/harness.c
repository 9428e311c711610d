#include "harness.h"

#include <stdarg.h>
#include <time.h>

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    char text[256];
    guest_status_t status;
    int32_t os_error;
    if (guest_last_error(&status, &os_error, text, sizeof text, NULL) == GUEST_OK && status != GUEST_OK)
        fprintf(stderr, "  last error of this thread: %s, errno %d: %s\n", guest_status_name(status), os_error, text);
    fflush(NULL);
    _exit(1);
}

static uint64_t factor(void)
{
    const char *text = getenv("ASYNCGUEST_TEST_SLOW");
    unsigned long value = text ? strtoul(text, NULL, 10) : 1;
    return value ? value : 1;
}

uint64_t limit(uint64_t nanoseconds)
{
    return nanoseconds * factor();
}

void assert_i64(const char *file, int line, const char *what, int64_t want, int64_t got)
{
    if (want != got)
        test_fail(file, line, "%s: expected %lld, got %lld", what, (long long)want, (long long)got);
}

void assert_u64(const char *file, int line, const char *what, uint64_t want, uint64_t got)
{
    if (want != got)
        test_fail(file, line, "%s: expected %llu, got %llu", what, (unsigned long long)want, (unsigned long long)got);
}

void assert_str(const char *file, int line, const char *what, const char *want, const char *got)
{
    if (!got || strcmp(want, got) != 0)
        test_fail(file, line, "%s: expected \"%s\", got \"%s\"", what, want, got ? got : "(null)");
}

void assert_ptr(const char *file, int line, const char *what, const void *want, const void *got)
{
    if (want != got)
        test_fail(file, line, "%s: expected %p, got %p", what, want, got);
}

void assert_status(const char *file, int line, const char *what, guest_status_t want, guest_status_t got)
{
    if (want != got)
        test_fail(file, line, "%s: expected %s (%d), got %s (%d)", what, guest_status_name(want), want,
                  guest_status_name(got), got);
}

int64_t must(const char *file, int line, const char *what, int64_t result)
{
    if (result < 0)
        test_fail(file, line, "%s: %s", what, strerror(errno));
    return result;
}

void assert_at_least(const char *file, int line, uint64_t elapsed, uint64_t least)
{
    if (elapsed < least)
        test_fail(file, line, "%.3f ms is too early, expected at least %.3f", (double)elapsed / 1e6,
                  (double)least / 1e6);
}

pthread_t spawn(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, argument);
    if (error)
        FAIL("pthread_create: %s", strerror(error));
    return thread;
}

void join(pthread_t thread)
{
    int error = pthread_join(thread, NULL);
    if (error)
        FAIL("pthread_join: %s", strerror(error));
}

void pass(uint64_t nanoseconds)
{
    struct timespec left = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

void spin(uint64_t nanoseconds)
{
    for (uint64_t start = guest_now(); guest_now() - start < nanoseconds;)
        ;
}

void await(bool (*holds)(void *), void *argument, const char *what)
{
    for (uint64_t stop = guest_now() + limit(SECONDS(10)); !holds(argument); pass(MS(1)))
        if (guest_now() > stop)
            FAIL("waited in vain for: %s", what);
}

#ifndef _WIN32
int in_fork(void (*run)(void *), void *argument)
{
    fflush(NULL);
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        run(argument);
        _exit(0);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    return status;
}
#endif

void latch_open(latch_t *latch)
{
    pthread_mutex_lock(&latch->lock);
    latch->count++;
    pthread_cond_broadcast(&latch->changed);
    pthread_mutex_unlock(&latch->lock);
}

void latch_wait(latch_t *latch, unsigned count)
{
    struct timespec stop;
    clock_gettime(CLOCK_REALTIME, &stop);
    stop.tv_sec += (time_t)(limit(SECONDS(10)) / 1000000000u);
    int error = 0;
    pthread_mutex_lock(&latch->lock);
    while (latch->count < count && !error)
        error = pthread_cond_timedwait(&latch->changed, &latch->lock, &stop);
    bool open = latch->count >= count;
    pthread_mutex_unlock(&latch->lock);
    if (!open)
        FAIL("a latch stayed shut: %s", strerror(error));
}

traces_t traces_look(void)
{
    traces_t now = {.live = {.struct_size = sizeof now.live}};
    now.fds = open_fds();
    now.threads = running_threads();
    ASSERT_OK(guest_live(&now.live));
    return now;
}

/* A joined thread is listed in /proc for a moment longer, hence `await`. */
static bool as_before(void *argument)
{
    const traces_t *before = argument;
    traces_t now = traces_look();
    return memcmp(before, &now, sizeof now) == 0;
}

void traces_check(traces_t *before)
{
    const guest_live_t *live = &before->live;
    ASSERT_EQ_U64(0, live->guests + live->sources + live->posts + live->threads + live->posters);
    for (uint64_t stop = guest_now() + limit(SECONDS(3)); guest_now() < stop; pass(MS(1)))
        if (as_before(before))
            return;
    traces_t now = traces_look();
    ASSERT_EQ_U64(0, now.live.guests);
    ASSERT_EQ_U64(0, now.live.sources);
    ASSERT_EQ_U64(0, now.live.posts);
    ASSERT_EQ_U64(0, now.live.threads);
    ASSERT_EQ_U64(0, now.live.posters);
    ASSERT_EQ_U64(before->threads, now.threads);
    ASSERT_EQ_U64(before->fds, now.fds);
}
