/* A program of another system that links the library: scripts/portability.sh. A post and a timer, in drive RUN and in drive
 * THREAD; then the guest is freed and nothing is left alive. */
#include <asyncguest.h>
#include <stdio.h>

static int calls;

static void on_timer(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    (void)id;
    (void)expirations;
    ++*(int *)user_data;
    guest_cancel(g);
}

/* A cancelled guest runs no post: the timer comes after it. */
static void on_post(guest_t *g, void *user_data)
{
    ++*(int *)user_data;
    guest_timer_add(g, 1000000, 0, on_timer, user_data, NULL, NULL);
}

static int post(void *data, guest_token_t token)
{
    (void)data;
    (void)token;
    return 0; /* Lost on purpose: guest_run delivers. */
}

static int run(uint32_t drive)
{
    guest_t *g = NULL;
    guest_host_t host = {0};
    guest_options_t options = {0};
    guest_live_t live = {0};
    host.struct_size = sizeof host;
    host.post = post;
    options.struct_size = sizeof options;
    options.drive = drive;
    calls = 0;
    guest_status_t status = guest_start(&host, &options, &g);
    if (status == GUEST_OK)
        status = guest_post(g, on_post, &calls, NULL);
    if (status == GUEST_OK)
        status = guest_run(g, 10000000000u);
    if (status != GUEST_OK)
        printf("%s\n", guest_status_name(status));
    guest_free(g);
    live.struct_size = sizeof live;
    guest_live(&live);
    return status == GUEST_OK && calls == 2 && live.guests + live.sources + live.posts + live.threads == 0;
}

int main(void)
{
    int ok = run(GUEST_DRIVE_RUN) && run(GUEST_DRIVE_THREAD);
    printf("%s %s\n", guest_version_string(), ok ? "runs" : "does not run");
    return !ok;
}
