#include "toy.h"

void called(guest_t *g, guest_id_t id, void *user_data, int64_t value, uint32_t flags)
{
    probe_t *probe = user_data;
    if (!pthread_equal(pthread_self(), probe->toy->loop->thread))
        FAIL("a callback ran on another thread than the host's");
    ASSERT_EQ_PTR(probe->toy, guest_host_data(g));
    if (!probe->shared && probe->drops)
        FAIL("a callback ran after its drop function");
    if (!probe->shared && probe->depth)
        FAIL("a callback was entered again while it was on the stack");
    if (probe->toy->done)
        FAIL("a callback ran after done");
    probe->calls++;
    probe->depth++;
    probe->at = guest_now();
    probe->g = g;
    probe->id = id;
    probe->value = value;
    probe->flags = flags;
    probe->total += (uint64_t)value;
    if (probe->act)
        probe->act(probe);
    probe->depth--;
}

void on_resolve(guest_t *g, guest_id_t id, guest_status_t status, int32_t gai_error, const guest_address_t *addresses,
                size_t count, void *user_data)
{
    probe_t *probe = user_data;
    probe->status = status;
    ASSERT_EQ_I64(status == GUEST_OK, gai_error == 0);
    ASSERT_EQ_I64(status == GUEST_OK, count > 0);
    for (size_t i = 0; i < count; i++) {
        uint16_t family;
        memcpy(&family, addresses[i].sockaddr, sizeof family);
        ASSERT_EQ_I64(addresses[i].family, family);
        ASSERT(addresses[i].length > 0 && addresses[i].length <= sizeof addresses[i].sockaddr);
    }
    called(g, id, probe, (int64_t)count, (uint32_t)gai_error);
}

void on_drop(void *user_data)
{
    probe_t *probe = user_data;
    if (!pthread_equal(pthread_self(), probe->toy->loop->thread))
        FAIL("a drop function ran on another thread than the host's");
    if (!probe->shared && probe->drops)
        FAIL("a drop function ran twice");
    if (!probe->shared && probe->depth)
        FAIL("a drop function ran while its callback was running");
    if (probe->toy->done)
        FAIL("a drop function ran after done");
    probe->drops++;
}

guest_id_t add_fd(toy_t *toy, int fd, uint32_t events, probe_t *probe)
{
    guest_id_t id = 0;
    ASSERT_OK(guest_fd_add(toy->g, fd, events, on_fd, probe, on_drop, &id));
    ASSERT(id != 0);
    return id;
}

guest_id_t add_timer(toy_t *toy, uint64_t delay, uint64_t period, probe_t *probe)
{
    guest_id_t id = 0;
    ASSERT_OK(guest_timer_add(toy->g, delay, period, on_timer, probe, on_drop, &id));
    ASSERT(id != 0);
    return id;
}

guest_id_t add_signal(toy_t *toy, int signum, probe_t *probe)
{
    guest_id_t id = 0;
    ASSERT_OK(guest_signal_add(toy->g, signum, on_signal, probe, on_drop, &id));
    return id;
}

guest_id_t add_child(toy_t *toy, pid_t pid, probe_t *probe)
{
    guest_id_t id = 0;
    ASSERT_OK(guest_child_add(toy->g, pid, on_child, probe, on_drop, &id));
    return id;
}

guest_id_t add_work(toy_t *toy, guest_work_fn work, probe_t *probe)
{
    guest_id_t id = 0;
    ASSERT_OK(guest_work(toy->g, work, on_work_done, probe, on_drop, &id));
    return id;
}

void add_post(toy_t *toy, probe_t *probe)
{
    ASSERT_OK(guest_post(toy->g, on_post, probe, on_drop));
}

channel_t channel_open(void)
{
    int fds[2];
    MUST(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
    return (channel_t){fds[0], fds[1]};
}

void channel_close(channel_t *channel)
{
    MUST(close(channel->in));
    MUST(close(channel->out));
}

void channel_write(channel_t *channel, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ASSERT_EQ_I64(1, MUST(write(channel->out, "x", 1)));
}

void act_read_one(probe_t *probe)
{
    channel_t *channel = probe->argument;
    char byte;
    ASSERT_EQ_I64(1, MUST(read(channel->in, &byte, 1)));
}

void act_close_self(probe_t *probe)
{
    ASSERT_OK(guest_close(probe->g, probe->id));
}
