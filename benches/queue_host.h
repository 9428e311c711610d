/* queue_host.h: the main loop of a toolkit in small: a queue of messages that any thread may append
 * to, and one thread that sleeps until there is one.
 *
 * The sleep is a condition variable (Win32 or SDL in spirit) or poll on an eventfd (GLib, Qt).
 */
#ifndef QUEUE_HOST_H
#define QUEUE_HOST_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum queue_sleep { QUEUE_CONDVAR, QUEUE_EVENTFD };

struct queue_host {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    enum queue_sleep sleep;
    int event_fd;
    size_t first;
    size_t count;
    uint64_t messages[64];
};

void queue_host_open(struct queue_host *host, enum queue_sleep sleep);
void queue_host_close(struct queue_host *host);
/* Any thread; fits guest_host_t.post. Negative if the queue is full. */
int32_t queue_host_post(void *host, uint64_t message);
/* Waits for the next message and takes it. */
uint64_t queue_host_take(struct queue_host *host);

#endif
