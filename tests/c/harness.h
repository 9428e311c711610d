/* The frame of the C tests: typed asserts, time limits, and one process per test.
 *
 * A test file is a list of TEST(name) { ... }; the names in the sources are the only list, CMake
 * reads them. `program name` runs one test; the frame then checks that nothing of the library is
 * left alive, that no thread and no fd was leaked. Environment:
 *   ASYNCGUEST_TEST_SLOW=20              multiplies every upper time limit (Valgrind, sanitizers)
 *   ASYNCGUEST_TEST_OPERATIONS=1000000   how many posts posts_from_eight_threads makes
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "system.h" /* before everything: it renames what it has for POSIX, also the members that others name so */

#include <asyncguest.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS(n) ((uint64_t)(n) * 1000000u)
#define SECONDS(n) MS((n) * 1000u)

#define TEST(name)                                                                                                     \
    static void test_##name(void);                                                                                     \
    __attribute__((constructor)) static void register_##name(void)                                                     \
    {                                                                                                                  \
        static test_t test = {#name, test_##name, NULL};                                                               \
        test_register(&test);                                                                                          \
    }                                                                                                                  \
    static void test_##name(void)

typedef struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
} test_t;

void test_register(test_t *test);
/* Ends the process by a return from `main`. */
__attribute__((noreturn)) void return_from_main(int code);
__attribute__((noreturn)) void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Upper limits only: lower limits (never early) are exact and are not stretched. */
uint64_t limit(uint64_t nanoseconds);

void assert_i64(const char *file, int line, const char *what, int64_t want, int64_t got);
void assert_u64(const char *file, int line, const char *what, uint64_t want, uint64_t got);
void assert_str(const char *file, int line, const char *what, const char *want, const char *got);
void assert_ptr(const char *file, int line, const char *what, const void *want, const void *got);
void assert_status(const char *file, int line, const char *what, guest_status_t want, guest_status_t got);

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define ASSERT(condition) ((condition) ? (void)0 : FAIL("%s does not hold", #condition))
#define ASSERT_EQ_I64(want, got) assert_i64(__FILE__, __LINE__, #got, want, got)
#define ASSERT_EQ_U64(want, got) assert_u64(__FILE__, __LINE__, #got, want, got)
#define ASSERT_EQ_STR(want, got) assert_str(__FILE__, __LINE__, #got, want, got)
#define ASSERT_EQ_PTR(want, got) assert_ptr(__FILE__, __LINE__, #got, want, got)
#define ASSERT_STATUS(want, got) assert_status(__FILE__, __LINE__, #got, want, got)
#define ASSERT_OK(got) ASSERT_STATUS(GUEST_OK, got)

/* For system calls: the value, or the test fails with errno. */
int64_t must(const char *file, int line, const char *what, int64_t result);
#define MUST(call) must(__FILE__, __LINE__, #call, (int64_t)(call))

/* Nothing is early. How late it is depends on the machine: that is for the benchmarks. */
void assert_at_least(const char *file, int line, uint64_t elapsed, uint64_t least);
#define ASSERT_AT_LEAST(elapsed, least) assert_at_least(__FILE__, __LINE__, elapsed, least)

pthread_t spawn(void *(*run)(void *), void *argument);
void join(pthread_t thread);
/* For what gives no event to wait for: asks again every millisecond, for ten seconds at most. */
void await(bool (*holds)(void *), void *argument, const char *what);
/* Keeps the calling thread busy, as a callback does that computes. */
void spin(uint64_t nanoseconds);
/* Lets time pass where the test's subject is that nothing happens meanwhile. */
void pass(uint64_t nanoseconds);
#ifndef _WIN32
/* Runs `run` in a fork and returns its wait status; the fork exits with 0 when `run` returns. */
int in_fork(void (*run)(void *), void *argument);
#endif

/* What must be the same before and after a test, and nothing of the library among it. */
typedef struct traces {
    uint64_t fds, threads;
    guest_live_t live;
} traces_t;

traces_t traces_look(void);
void traces_check(traces_t *before);

/* A count that a thread can wait for. */
typedef struct latch {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
} latch_t;

#define LATCH {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}
void latch_open(latch_t *latch);
void latch_wait(latch_t *latch, unsigned count);

#ifdef __cplusplus
}
#endif
#endif
