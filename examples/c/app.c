/* See app.h. */
#include "app.h"

#include <signal.h>
#include <stdio.h>

#define SECONDS 1e9 /* in the guest's nanoseconds */

/* Nothing is left to do. guest_cancel lets go of every source, so that the picture has to be saved before. */
static void leave(app *a)
{
    a->leaving = 1;
    if (a->asking)
        a->toolkit->answer(a->window, 0);
    if (!a->picture_open)
        guest_cancel(a->guest);
}

static void take_picture(app *a)
{
    if (!a->cli.screenshot || a->picture_begun)
        return;
    a->picture_begun = a->picture_open = 1;
    a->toolkit->screenshot(a->window, a->cli.screenshot);
}

void app_screenshot_saved(app *a, const char *path, const char *error)
{
    a->picture_open = 0;
    if (path)
        printf("screenshot: %s\n", path);
    else
        fprintf(stderr, "%s: no screenshot: %s\n", a->cli.program, error);
    fflush(stdout);
    if (a->leaving)
        guest_cancel(a->guest);
}

static void show_summary(app *a)
{
    char text[128], received[16], total[16];
    size_t count = fetch_count(a->fetch), running = fetch_in_state(a->fetch, FETCH_RUNNING);
    cli_size(received, fetch_received(a->fetch));
    cli_size(total, fetch_total(a->fetch));
    if (running)
        snprintf(text, sizeof text, "%s of %s · %zu of %zu finished", received, total, count - running, count);
    else
        snprintf(text, sizeof text, "%s · %zu of %zu complete", received, fetch_in_state(a->fetch, FETCH_OK), count);
    a->toolkit->summary(a->window, text, running);
}

static void on_progress(void *data, const fetch_item *item)
{
    app *a = data;
    a->toolkit->progress(a->window, item);
    show_summary(a);
    /* Before that, the servers have not told all sizes yet, and the window may not be there. */
    if (guest_now() - a->started > 1 * SECONDS && 2 * fetch_received(a->fetch) >= fetch_total(a->fetch))
        take_picture(a);
}

static void on_finished(void *data, const fetch_item *item)
{
    app *a = data;
    a->toolkit->finished(a->window, item);
    show_summary(a);
}

static void lingered(guest_t *g, guest_id_t id, uint64_t expirations, void *data)
{
    (void)g, (void)id, (void)expirations;
    leave(data);
}

static void on_all_finished(void *data)
{
    app *a = data;
    a->finished = 1;
    if (a->leaving)
        return;
    if (a->asking)
        a->toolkit->answer(a->window, 0); /* there is nothing left to cancel */
    take_picture(a);
    if (guest_timer_add(a->guest, (uint64_t)(a->cli.linger_seconds * SECONDS), 0, lingered, a, NULL, NULL) != GUEST_OK)
        leave(a);
}

/* The dialog is opened from a callback of the guest, which returns only when the user has answered. Its nested main loop
 * delivers everything else meanwhile, so that the bytes go on arriving: the line that is printed proves it. */
static void ask(app *a)
{
    char text[96], size[16];
    size_t running = fetch_in_state(a->fetch, FETCH_RUNNING);
    int yes;
    if (a->asking || a->leaving || running == 0)
        return;
    snprintf(text, sizeof text, "%zu download%s not finished; they go on while you think.", running,
             running == 1 ? " is" : "s are");
    a->asking = 1;
    a->dialog_from = guest_now();
    a->dialog_bytes = fetch_received(a->fetch);
    yes = a->toolkit->ask(a->window, "Really cancel?", text);
    a->asking = 0;
    a->dialog_bytes = fetch_received(a->fetch) - a->dialog_bytes;
    printf("dialog: open for %.2f s inside a callback; %llu bytes (%s) arrived meanwhile; answer: %s\n",
           (double)(guest_now() - a->dialog_from) / SECONDS, (unsigned long long)a->dialog_bytes,
           cli_size(size, a->dialog_bytes), yes ? "yes" : "no");
    fflush(stdout);
    if (yes)
        fetch_cancel(a->fetch); /* leads to on_all_finished */
}

static void asked(guest_t *g, void *data)
{
    (void)g;
    ask(data);
}

void app_cancel_clicked(app *a)
{
    /* Refused only when the guest has been cancelled: then there is nothing to ask. */
    guest_post(a->guest, asked, a, NULL);
}

static void auto_answer(guest_t *g, guest_id_t id, uint64_t expirations, void *data)
{
    app *a = data;
    (void)g, (void)id, (void)expirations;
    if (a->asking)
        a->toolkit->answer(a->window, a->cli.dialog_answer);
}

static void auto_ask(guest_t *g, guest_id_t id, uint64_t expirations, void *data)
{
    app *a = data;
    (void)id, (void)expirations;
    if (guest_timer_add(g, (uint64_t)(a->cli.dialog_seconds * SECONDS), 0, auto_answer, a, NULL, NULL) == GUEST_OK)
        ask(a);
}

void app_close(app *a)
{
    if (a->leaving) {
        guest_cancel(a->guest); /* asked for twice: do not wait for the picture */
        return;
    }
    fetch_cancel(a->fetch);
    leave(a);
}

static void on_signal(guest_t *g, guest_id_t id, int32_t signum, uint32_t count, void *data)
{
    (void)g, (void)id, (void)signum, (void)count;
    app_close(data);
}

int app_start(app *a, guest_t *g, const app_window *toolkit, void *window)
{
    fetch_options options = {
        .directory = a->cli.directory,
        .stall_seconds = a->cli.stall_seconds,
        .data = a,
        .progress = on_progress,
        .finished = on_finished,
        .all_finished = on_all_finished,
    };
    a->guest = g;
    a->toolkit = toolkit;
    a->window = window;
    a->started = guest_now();
    if (guest_signal_add(g, SIGINT, on_signal, a, NULL, NULL) != GUEST_OK ||
        guest_signal_add(g, SIGTERM, on_signal, a, NULL, NULL) != GUEST_OK)
        return cli_guest_failed(&a->cli, "guest_signal_add");
    if (a->cli.dialog_seconds > 0 && guest_timer_add(g, (uint64_t)SECONDS, 0, auto_ask, a, NULL, NULL) != GUEST_OK)
        return cli_guest_failed(&a->cli, "guest_timer_add");
    a->fetch = fetch_new(g, a->cli.urls, a->cli.count, &options);
    if (!a->fetch)
        return cli_guest_failed(&a->cli, "fetch_new");
    show_summary(a);
    return 0;
}

int app_finish(app *a)
{
    int code = 1;
    if (a->fetch) {
        cli_print_table(a->fetch);
        code = cli_exit_code(a->fetch);
    }
    fetch_free(a->fetch);
    a->fetch = NULL;
    return code;
}
