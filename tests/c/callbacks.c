#include "callbacks.h"

void on_fd(guest_t *g, guest_id_t id, uint32_t events, void *user_data)
{
    called(g, id, user_data, 1, events);
}

void on_timer(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    called(g, id, user_data, (int64_t)expirations, 0);
}

void on_post(guest_t *g, void *user_data)
{
    called(g, 0, user_data, 1, 0);
}

void on_signal(guest_t *g, guest_id_t id, int32_t signum, uint32_t count, void *user_data)
{
    called(g, id, user_data, count, (uint32_t)signum);
}

void on_child(guest_t *g, guest_id_t id, int32_t exit_code, int32_t term_signal, void *user_data)
{
    called(g, id, user_data, exit_code, (uint32_t)term_signal);
}

void on_work_done(guest_t *g, guest_id_t id, void *user_data)
{
    called(g, id, user_data, 1, 0);
}
