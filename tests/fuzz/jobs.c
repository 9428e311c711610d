/* Work for the pool, some of which does not end before its gate is opened, and names that need no network. */
#include "model.h"

#include <netdb.h>
#include <sys/socket.h>

static pthread_mutex_t gates = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;

static void run(void *user_data)
{
    item_t *item = user_data;
    if (pthread_equal(pthread_self(), world.host))
        FAIL("work runs on the host thread");
    if (item->work.phase != WORK_WAITS)
        FAIL("work runs twice");
    if (item->drops)
        FAIL("work starts after its drop");
    item->work.phase = WORK_RUNS;
    pthread_mutex_lock(&gates);
    while (!item->work.open)
        pthread_cond_wait(&opened, &gates);
    pthread_mutex_unlock(&gates);
    if (item->drops)
        FAIL("work was dropped while it ran");
    item->work.phase = WORK_FINISHED;
}

void work_add(subject_t *s, random_t *r)
{
    item_t *item = item_new(s, KIND_WORK, r);
    item->has_drop = true; /* which says when its thread is through with it */
    item->work.open = chance(r, 70);
    guest_work_done_fn callback = chance(r, 80) ? on_work_done : NULL;
    item->work.untold = !callback && !s->pull;
    s->dues += item->work.untold;
    guest_status_t status = guest_work(s->g, run, callback, item, item_drop(item), &item->id);
    EXPECT(status, subject_takes(s, STATUS(OK)));
    item_registered(item, status);
}

void work_open_all(void)
{
    pthread_mutex_lock(&gates);
    for (unsigned i = 0; i < SUBJECTS; i++)
        for (item_t *item = world.subjects[i] ? world.subjects[i]->items : NULL; item; item = item->next)
            if (item->kind == KIND_WORK)
                item->work.open = true;
    pthread_cond_broadcast(&opened);
    pthread_mutex_unlock(&gates);
}

void resolve_add(subject_t *s, random_t *r)
{
    static const struct {
        const char *node, *service;
        guest_status_t status;
    } names[] = {{"127.0.0.1", "80", GUEST_OK}, {"::1", NULL, GUEST_OK}, {"no.number", NULL, GUEST_ERESOLVE}};
    size_t chosen = below(r, COUNT(names));
    if (chance(r, 10)) {
        EXPECT(guest_resolve(s->g, NULL, NULL, 0, 0, 0, on_resolve, NULL, NULL, NULL),
               subject_takes(s, STATUS(EINVAL)));
        return;
    }
    item_t *item = item_new(s, KIND_RESOLVE, r);
    item->has_drop = true;
    item->resolve.status = names[chosen].status;
    guest_resolve_fn callback = s->pull && chance(r, 50) ? NULL : on_resolve;
    guest_status_t status = guest_resolve(s->g, names[chosen].node, names[chosen].service, AF_UNSPEC, SOCK_STREAM,
                                          AI_NUMERICHOST | AI_NUMERICSERV, callback, item, item_drop(item), &item->id);
    EXPECT(status, subject_takes(s, STATUS(OK)));
    item_registered(item, status);
}
