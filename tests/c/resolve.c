/* Hazard: names. Resolved off the host thread, reported on it, failures to the callback. */
#include "toy.h"

static guest_id_t lookup(toy_t *toy, const char *node, const char *service, int32_t family, int32_t flags,
                         probe_t *probe)
{
    guest_id_t id;
    ASSERT_OK(guest_resolve(toy->g, node, service, family, SOCK_STREAM, flags, on_resolve, probe, on_drop, &id));
    return id;
}

static bool saw_loopback;

/* Registered instead of on_resolve where the address itself matters. */
static void see_addresses(guest_t *g, guest_id_t id, guest_status_t status, int32_t gai_error,
                          const guest_address_t *addresses, size_t count, void *probe)
{
    for (size_t i = 0; i < count; i++) {
        const struct sockaddr_in *in = (const void *)addresses[i].sockaddr;
        if (addresses[i].family == AF_INET && in->sin_addr.s_addr == htonl(INADDR_LOOPBACK)) {
            ASSERT_EQ_U64(sizeof *in, addresses[i].length);
            ASSERT_EQ_I64(SOCK_STREAM, addresses[i].socktype);
            ASSERT_EQ_I64(IPPROTO_TCP, addresses[i].protocol);
            ASSERT_EQ_U64(8080, ntohs(in->sin_port));
            saw_loopback = true;
        }
    }
    on_resolve(g, id, status, gai_error, addresses, count, probe);
}

TEST(resolve_numeric)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_resolve(toy.g, "127.0.0.1", "8080", AF_INET, SOCK_STREAM, AI_NUMERICHOST, see_addresses, &probe,
                            on_drop, NULL));
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_OK(probe.status);
    ASSERT_EQ_I64(1, probe.value);
    ASSERT(saw_loopback);
    toy_end(&toy);
}

TEST(resolve_localhost)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    char node[] = "localhost", service[] = "8080";
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_resolve(toy.g, node, service, AF_INET, SOCK_STREAM, 0, see_addresses, &probe, on_drop, NULL));
    memset(node, 'x', sizeof node - 1); /* both were copied */
    memset(service, 'x', sizeof service - 1);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_OK(probe.status);
    ASSERT(saw_loopback);
    toy_end(&toy);
}

TEST(resolve_service_only)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    lookup(&toy, NULL, "8080", AF_INET, AI_PASSIVE, &probe);
    RUN_UNTIL(&toy, probe.drops == 1);
    ASSERT_OK(probe.status);
    toy_end(&toy);
}

TEST(resolve_unknown_name)
{
    toy_t toy = {0};
    probe_t probe = PROBE(&toy), numeric = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    lookup(&toy, "name.invalid", NULL, AF_UNSPEC, 0, &probe);
    lookup(&toy, "no number", NULL, AF_UNSPEC, AI_NUMERICHOST, &numeric);
    RUN_UNTIL(&toy, probe.drops == 1 && numeric.drops == 1);
    ASSERT_STATUS(GUEST_ERESOLVE, probe.status);
    ASSERT(probe.flags != 0); /* EAI_NONAME, or EAI_AGAIN on a machine without name server */
    ASSERT_STATUS(GUEST_ERESOLVE, numeric.status);
    ASSERT_EQ_I64(EAI_NONAME, (int32_t)numeric.flags);
    toy_end(&toy);
}
