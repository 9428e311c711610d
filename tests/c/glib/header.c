/* The header alone, first in its file and twice: compiled as C99, C11 and C++17 by ctest. */
#include <asyncguest_glib.h>
#include <asyncguest_glib.h>

int use(guest_glib_t *glib, guest_t *g);

int use(guest_glib_t *glib, guest_t *g)
{
    int status;
    guest_glib_init(glib, NULL);
    status = guest_glib_attach(glib, g);
    guest_glib_clear(glib);
    return status;
}
