/* fetch in the plainest host of all: a poll(2) loop that watches one fd (drive FD).
 *
 * The loop stands for any program that has one: there is nothing to call before it sleeps and no timeout to ask for.
 * Ctrl-C cancels what is still running; the table is printed all the same.
 */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct program {
    cli cli;
    guest_t *guest;
    fetch *fetch;
    int terminal; /* somebody looks at stderr: show how far we are */
    int done;
} program;

static void on_progress(void *data, const fetch_item *item)
{
    program *p = data;
    char received[16], total[16];
    (void)item;
    if (p->terminal)
        fprintf(stderr, "\r%s of %s, %zu running \033[K", cli_size(received, fetch_received(p->fetch)),
                cli_size(total, fetch_total(p->fetch)), fetch_in_state(p->fetch, FETCH_RUNNING));
}

static void on_finished(void *data, const fetch_item *item)
{
    program *p = data;
    if (p->terminal)
        fprintf(stderr, "\r%s: %s\033[K\n", item->name ? item->name : item->url, item->result);
}

static void on_all_finished(void *data)
{
    program *p = data;
    guest_cancel(p->guest); /* leads to on_done */
}

static void on_signal(guest_t *g, guest_id_t id, int32_t signum, uint32_t count, void *data)
{
    program *p = data;
    (void)g, (void)id, (void)signum, (void)count;
    fetch_cancel(p->fetch); /* leads to on_all_finished */
}

static void on_done(void *data, guest_status_t status)
{
    program *p = data;
    (void)status;
    p->done = 1;
}

/* The host's main loop. */
static int run(program *p)
{
    struct pollfd watched = {.events = POLLIN};
    if (guest_fd(p->guest, &watched.fd) != GUEST_OK)
        return cli_guest_failed(&p->cli, "guest_fd");
    while (!p->done) {
        if (poll(&watched, 1, -1) < 0 && errno != EINTR) {
            fprintf(stderr, "%s: poll: %s\n", p->cli.program, strerror(errno));
            return 1;
        }
        if (guest_deliver_batch(p->guest, 0) != GUEST_OK)
            return cli_guest_failed(&p->cli, "guest_deliver_batch");
    }
    return 0;
}

int main(int argc, char **argv)
{
    program p = {.terminal = isatty(STDERR_FILENO)};
    guest_host_t host = {.struct_size = sizeof host, .data = &p, .done = on_done};
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD};
    fetch_options fetching = {
        .data = &p,
        .progress = on_progress,
        .finished = on_finished,
        .all_finished = on_all_finished,
    };
    int code;
    if (cli_parse(&p.cli, argc, argv, 0, &code) < 0)
        return code;
    if (guest_start(&host, &options, &p.guest) != GUEST_OK)
        return cli_guest_failed(&p.cli, "guest_start");
    fetching.directory = p.cli.directory;
    fetching.stall_seconds = p.cli.stall_seconds;
    p.fetch = fetch_new(p.guest, p.cli.urls, p.cli.count, &fetching);
    if (!p.fetch)
        code = cli_guest_failed(&p.cli, "fetch_new");
    else if (guest_signal_add(p.guest, SIGINT, on_signal, &p, NULL, NULL) != GUEST_OK ||
             guest_signal_add(p.guest, SIGTERM, on_signal, &p, NULL, NULL) != GUEST_OK)
        code = cli_guest_failed(&p.cli, "guest_signal_add");
    else
        code = run(&p);
    if (p.fetch) {
        cli_print_table(p.fetch);
        code |= cli_exit_code(p.fetch);
    }
    fetch_free(p.fetch);
    guest_free(p.guest);
    return code | cli_check_leaks(&p.cli);
}
