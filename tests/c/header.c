/* The header alone, first in its file and twice: compiled as C99, C11 and C++17 by ctest. */
#include <asyncguest.h>
#include <asyncguest.h>

static void on_timer(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    (void)id;
    (void)expirations;
    (void)user_data;
    guest_cancel(g);
}

guest_status_t use(guest_t *g, uint64_t *id_out);

guest_status_t use(guest_t *g, uint64_t *id_out)
{
    const guest_status_t codes[] = {GUEST_OK, GUEST_EORDER, GUEST_HOST_GONE};
    return guest_timer_add(g, GUEST_FOREVER, codes[0] == 0 ? 0u : 1u, on_timer, 0, 0, id_out);
}
