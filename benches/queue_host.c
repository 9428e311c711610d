/* queue_host.c: see queue_host.h. */
#include "queue_host.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"

enum { CAPACITY = COUNT_OF(((struct queue_host *)0)->messages) };

void queue_host_open(struct queue_host *host, enum queue_sleep sleep)
{
    memset(host, 0, sizeof *host);
    PTHREAD(pthread_mutex_init(&host->lock, NULL));
    PTHREAD(pthread_cond_init(&host->ready, NULL));
    host->sleep = sleep;
    host->event_fd = -1;
    if (sleep == QUEUE_EVENTFD)
        SYS(host->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

void queue_host_close(struct queue_host *host)
{
    pthread_mutex_destroy(&host->lock);
    pthread_cond_destroy(&host->ready);
    if (host->event_fd >= 0)
        close(host->event_fd);
}

int32_t queue_host_post(void *data, uint64_t message)
{
    struct queue_host *host = data;
    pthread_mutex_lock(&host->lock);
    if (host->count == CAPACITY) {
        pthread_mutex_unlock(&host->lock);
        return -1;
    }
    host->messages[(host->first + host->count++) % CAPACITY] = message;
    pthread_mutex_unlock(&host->lock);
    if (host->sleep == QUEUE_CONDVAR) {
        pthread_cond_signal(&host->ready);
    } else {
        uint64_t one = 1;
        if (write(host->event_fd, &one, sizeof one) < 0)
            return -1;
    }
    return 0;
}

static void sleep_on_eventfd(struct queue_host *host)
{
    struct pollfd waiting = {.fd = host->event_fd, .events = POLLIN};
    if (poll(&waiting, 1, -1) < 0 && errno != EINTR)
        bench_die("poll", NULL);
    uint64_t posted;
    if (read(host->event_fd, &posted, sizeof posted) < 0 && errno != EAGAIN && errno != EINTR)
        bench_die("read", NULL);
}

uint64_t queue_host_take(struct queue_host *host)
{
    pthread_mutex_lock(&host->lock);
    while (host->count == 0) {
        if (host->sleep == QUEUE_CONDVAR) {
            pthread_cond_wait(&host->ready, &host->lock);
        } else {
            pthread_mutex_unlock(&host->lock);
            sleep_on_eventfd(host);
            pthread_mutex_lock(&host->lock);
        }
    }
    uint64_t message = host->messages[host->first];
    host->first = (host->first + 1) % CAPACITY;
    host->count--;
    pthread_mutex_unlock(&host->lock);
    return message;
}
