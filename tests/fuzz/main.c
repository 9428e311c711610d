/* A fuzzer of the C ABI: random calls against a model of what they promise.
 *
 *   asyncguest_fuzz                        the seeds of the list below and a fresh one, for `make test`
 *   asyncguest_fuzz --seconds 600          fresh seeds for so long; with --seed N, from N on
 *   asyncguest_fuzz --seed N               one seed
 *   ... --ops N                            how many operations a seed has (400)
 *
 * Each seed is a process, so that a crash or a hang is told like any other fault: with the seed, what was done last, and
 * the shortest prefix of operations that still fails. ASYNCGUEST_TEST_SLOW multiplies the time that a seed may take. */
#include "model.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/wait.h>

/* In `make test`: in each of them something was found once, of the library or of the model. */
static const uint64_t seeds[] = {1, 2, 3, 6, 10, 17, 22, 32, 38, 41, 132, 1008, 2005, 2025, 3135, 3226, 3266, 3572};

enum { OPS = 400, TRIES = 3 };

/* The wait status of one episode. */
static int played(uint64_t seed, unsigned ops, bool quiet)
{
    fflush(NULL);
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        setpgid(0, 0);
        alarm((unsigned)(limit(SECONDS(30)) / SECONDS(1)));
        if (quiet)
            dup2((int)MUST(open("/dev/null", O_WRONLY)), STDERR_FILENO);
        progress_begin(0);
        episode(seed, ops);
        _exit(0);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    kill(-pid, SIGKILL); /* what a crash has left behind */
    return status;
}

static bool fails(uint64_t seed, unsigned ops)
{
    for (unsigned i = 0; i < TRIES; i++)
        if (played(seed, ops, true) != 0)
            return true;
    return false;
}

/* Threads and the clock have their say, so that a prefix may fail now and then: each gets some tries. */
static unsigned shortest(uint64_t seed, unsigned ops)
{
    unsigned passes = 0;
    while (ops - passes > 1) {
        unsigned middle = passes + (ops - passes) / 2;
        if (fails(seed, middle))
            ops = middle;
        else
            passes = middle;
    }
    return ops;
}

static bool plays(const char *program, uint64_t seed, unsigned ops)
{
    int status = played(seed, ops, false);
    if (status == 0)
        return true;
    const char *how = WIFEXITED(status)             ? "the model does not agree, or a sanitizer has found something"
                      : WTERMSIG(status) == SIGALRM ? "it hangs"
                                                    : strsignal(WTERMSIG(status));
    unsigned done = progress_ops();
    fprintf(stderr, "seed %llu failed at operation %u: %s\n  what was done last:\n", (unsigned long long)seed, done,
            how);
    progress_print();
    fprintf(stderr, "repeat: %s --seed %llu --ops %u; looking for the shortest prefix that fails\n", program,
            (unsigned long long)seed, done);
    unsigned prefix = shortest(seed, done);
    fprintf(stderr, "repeat: %s --seed %llu --ops %u\n", program, (unsigned long long)seed, prefix);
    return false;
}

static uint64_t fresh(void)
{
    uint32_t seed;
    MUST(getrandom(&seed, sizeof seed, 0));
    return seed;
}

static int usage(const char *program)
{
    fprintf(stderr, "usage: %s [--seed N] [--ops N] [--seconds N]\n", program);
    return 2;
}

int main(int argc, char **argv)
{
    uint64_t seed = 0, seconds = 0, ops = OPS;
    bool given = false;
    for (int i = 1; i < argc; i += 2) {
        char *end;
        uint64_t value = i + 1 < argc ? strtoull(argv[i + 1], &end, 10) : 0;
        if (i + 1 == argc || *argv[i + 1] == '\0' || *end != '\0')
            return usage(argv[0]);
        if (strcmp(argv[i], "--seed") == 0)
            seed = value, given = true;
        else if (strcmp(argv[i], "--ops") == 0 && value > 0 && value <= 1000000)
            ops = value;
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = value;
        else
            return usage(argv[0]);
    }
    progress_open();
    unsigned count = 0;
    uint64_t began = guest_now(), next = given ? seed : fresh();
    for (size_t i = 0; !given && !seconds && i < COUNT(seeds); i++, count++)
        if (!plays(argv[0], seeds[i], (unsigned)ops))
            return 1;
    printf("%s seed: %llu\n", given ? "first" : "fresh", (unsigned long long)next);
    do {
        if (!plays(argv[0], next++, (unsigned)ops))
            return 1;
        count++;
    } while (guest_now() - began < SECONDS(seconds));
    printf("%u seeds, %llu operations each, no fault\n", count, (unsigned long long)ops);
    return 0;
}
