/* The system refuses: no descriptor is left. What needs one says so and keeps nothing; the rest goes on. */
#include "model.h"

#include <sys/resource.h>

static void check_refused(guest_status_t status)
{
    guest_status_t last;
    int32_t os_error;
    if (status != GUEST_EOS)
        return;
    EXPECT(guest_last_error(&last, &os_error, NULL, 0, NULL), STATUS(OK));
    EXPECT(last, STATUS(EOS));
    ASSERT_EQ_I64(EMFILE, os_error);
}

void starve(subject_t *s, random_t *r)
{
    struct rlimit before, none;
    MUST(getrlimit(RLIMIT_NOFILE, &before));
    none = before;
    none.rlim_cur = 0;
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD};
    guest_t *g = NULL;
    MUST(setrlimit(RLIMIT_NOFILE, &none));
    switch (below(r, 4)) {
    case 0: {
        guest_status_t status = guest_start(NULL, &options, &g);
        EXPECT(status, STATUS(EOS));
        check_refused(status);
        ASSERT_EQ_PTR(NULL, g);
        break;
    }
    case 1:
        timer_add(s, r);
        break;
    case 2:
        post_here(s, r);
        break;
    default:
        work_add(s, r);
    }
    MUST(setrlimit(RLIMIT_NOFILE, &before));
}
