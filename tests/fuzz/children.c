/* Children that end by themselves, with a known exit code, and some that are killed. */
#include "model.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

/* Returns when the shell has begun to run. Before that, in the middle of its exec, it has copies of all fds here for a
 * moment, and a pipe whose end is closed does not hang up. */
static pid_t spawned(const char *script)
{
    extern char **environ;
    char *command[] = {"/bin/sh", "-c", (char *)script, NULL}, byte;
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    MUST(pipe2(ends, O_CLOEXEC));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int error = posix_spawn(&pid, command[0], &actions, NULL, command, environ);
    if (error)
        FAIL("posix_spawn: %s", strerror(error));
    posix_spawn_file_actions_destroy(&actions);
    MUST(close(ends[1]));
    ASSERT_EQ_I64(1, MUST(read(ends[0], &byte, 1)));
    MUST(close(ends[0]));
    return pid;
}

static bool is_known(const item_t *item, int unused)
{
    (void)unused;
    return item_is(item, KIND_CHILD) && !item->depth;
}

static void add_unfit(subject_t *s, random_t *r)
{
    const item_t *known = item_any(s, r, is_known, 0);
    int32_t pid = known ? known->child.pid : chance(r, 50) ? getppid() : 0;
    uint32_t refused = known ? STATUS(EEXIST) : pid ? STATUS(EOS) : STATUS(EINVAL);
    EXPECT(guest_child_add(s->g, pid, on_child, NULL, NULL, NULL), subject_takes(s, refused));
}

void child_add(subject_t *s, random_t *r)
{
    if (chance(r, 30)) {
        add_unfit(s, r);
        return;
    }
    item_t *item = item_new(s, KIND_CHILD, r);
    bool lasts = chance(r, 40);
    item->child.pid = spawned(lasts ? "echo; exec sleep 100" : "echo; exit 7");
    item->child.ended = !lasts;
    item->child.exit_code = lasts ? -1 : 7;
    item->child.term_signal = lasts ? SIGKILL : 0;
    guest_child_fn callback = s->pull && chance(r, 50) ? NULL : on_child;
    guest_status_t status = guest_child_add(s->g, item->child.pid, callback, item, item_drop(item), &item->id);
    EXPECT(status, subject_takes(s, STATUS(OK)));
    item_registered(item, status);
}

static bool lasts(const item_t *item, int unused)
{
    (void)unused;
    return item_is(item, KIND_CHILD) && !item->child.ended;
}

void child_kill(subject_t *s, random_t *r)
{
    item_t *item = item_any(s, r, lasts, 0);
    if (!item)
        return;
    item->child.ended = true;
    MUST(kill(item->child.pid, SIGKILL));
}

/* One that the guest has told of is reaped; one that was closed before is not. */
void child_end(item_t *item)
{
    if (!item->child.reaped)
        kill(item->child.pid, SIGKILL);
    pid_t pid = waitpid(item->child.pid, NULL, 0);
    if (item->child.reaped != (pid < 0))
        FAIL("child %d: told %d, and waitpid says %d", item->child.pid, item->child.reaped, pid);
}
