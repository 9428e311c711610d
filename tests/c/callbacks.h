/* A callback of each kind. All of them come to `called`, which the program has for its user data. */
#ifndef CALLBACKS_H
#define CALLBACKS_H

#include <asyncguest.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `value`: expirations, a signal's count, an exit code; else 1. `flags`: readiness bits, signal number, term signal. */
void called(guest_t *g, guest_id_t id, void *user_data, int64_t value, uint32_t flags);

void on_fd(guest_t *g, guest_id_t id, uint32_t events, void *user_data);
void on_timer(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data);
void on_post(guest_t *g, void *user_data);
void on_signal(guest_t *g, guest_id_t id, int32_t signum, uint32_t count, void *user_data);
void on_child(guest_t *g, guest_id_t id, int32_t exit_code, int32_t term_signal, void *user_data);
void on_work_done(guest_t *g, guest_id_t id, void *user_data);
/* The program's own: it has more to say. */
void on_resolve(guest_t *g, guest_id_t id, guest_status_t status, int32_t gai_error, const guest_address_t *addresses,
                size_t count, void *user_data);

#ifdef __cplusplus
}
#endif
#endif
