/* Events of Windows, as the C tests use them. */
#ifndef EVENTS_H
#define EVENTS_H

#include "../toy.h"

/* One that stays set until it is reset. */
static inline HANDLE new_event(void)
{
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    ASSERT(event != NULL);
    return event;
}

static inline guest_id_t add_handle(toy_t *toy, HANDLE handle, probe_t *probe)
{
    guest_id_t id = 0;
    ASSERT_OK(guest_handle_add(toy->g, handle, on_fd, probe, on_drop, &id));
    ASSERT(id != 0);
    return id;
}
#endif
