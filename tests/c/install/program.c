/* A user's program: runs a timer on an installed libasyncguest, and checks the library's version. */
#include <asyncguest.h>

#include <stdio.h>
#include <string.h>

static void on_timer(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    (void)id, (void)expirations;
    *(int *)user_data += 1;
    guest_cancel(g);
}

int main(int argc, char **argv)
{
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_RUN};
    guest_t *g;
    int fired = 0;
    if (argc != 2 || strcmp(argv[1], guest_version_string()) != 0) {
        fprintf(stderr, "the library is version %s\n", guest_version_string());
        return 1;
    }
    guest_status_t status = guest_start(NULL, &options, &g);
    if (status == GUEST_OK) {
        status = guest_timer_add(g, 1000000, 0, on_timer, &fired, NULL, NULL);
        if (status == GUEST_OK)
            status = guest_run(g, 5000000000u);
        guest_free(g);
    }
    if (status != GUEST_OK)
        fprintf(stderr, "%s\n", guest_status_name(status));
    return status != GUEST_OK || fired != 1;
}
