/* Hazard: structs of another age, unknown flags, versions that differ, texts that do not fit. */
#include "toy.h"

#include <stddef.h>

static int32_t accept_token(void *data, guest_token_t token)
{
    (void)data, (void)token;
    return 0;
}

/* `host` and `options` start a guest, or are refused with `want`. */
static void start_gives(guest_status_t want, const void *host, const void *options)
{
    guest_t *g = NULL;
    ASSERT_STATUS(want, guest_start(host, options, &g));
    ASSERT_EQ_I64(want == GUEST_OK, g != NULL);
    guest_free(g);
}

typedef struct future_host {
    guest_host_t known;
    uint64_t unknown;
} future_host_t;

typedef struct future_options {
    guest_options_t known;
    uint64_t unknown;
} future_options_t;

TEST(struct_size_of_host)
{
    future_host_t host = {.known = {.struct_size = sizeof host, .post = accept_token}};
    start_gives(GUEST_OK, &host, NULL); /* a newer header, whose new field is not used */
    host.unknown = 1;
    start_gives(GUEST_ESIZE, &host, NULL); /* and is used: better refused than ignored */
    const size_t wrong[] = {0, 1, sizeof(size_t) - 1, SIZE_MAX};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        host.known.struct_size = wrong[i];
        start_gives(GUEST_ESIZE, &host, NULL);
    }
    host.known.struct_size = sizeof host.known;
    start_gives(GUEST_OK, &host, NULL);
}

TEST(struct_size_of_host_is_obeyed)
{
    /* An older header ended before on_stall: what lies behind is not ours to read. */
    guest_host_t host = {.struct_size = offsetof(guest_host_t, on_stall), .post = accept_token};
    guest_options_t options = options_for(GUEST_DRIVE_THREAD);
    options.stall_after = 1;
    memset(&host.on_stall, 0x5a, sizeof host.on_stall);
    guest_t *g = NULL;
    guest_status_t status = guest_start(&host, &options, &g);
    if (status == GUEST_OK) {
        ASSERT_OK(guest_wake(g)); /* undelivered: on_stall would be called at once */
        pass(MS(5));
        guest_free(g);
    } else {
        ASSERT_STATUS(GUEST_ESIZE, status);
    }
}

TEST(struct_size_of_options)
{
    future_options_t options = {.known = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD}};
    start_gives(GUEST_OK, NULL, &options);
    options.unknown = 1;
    start_gives(GUEST_ESIZE, NULL, &options);
    const size_t wrong[] = {0, 1, sizeof(size_t) - 1, SIZE_MAX};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        options.known.struct_size = wrong[i];
        start_gives(GUEST_ESIZE, NULL, &options);
    }
}

TEST(struct_size_of_stats)
{
    struct {
        guest_stats_t known;
        uint64_t canary[4];
    } stats;
    toy_t toy = {0};
    toy_start(&toy, GUEST_DRIVE_FD);
    ASSERT_OK(guest_deliver_batch(toy.g, 0));

    memset(&stats, 0x5a, sizeof stats);
    stats.known.struct_size = offsetof(guest_stats_t, events);
    ASSERT_OK(guest_stats(toy.g, &stats.known)); /* the one counter that this old struct has */
    ASSERT_EQ_U64(1, stats.known.batches);
    ASSERT_EQ_U64(0x5a5a5a5a5a5a5a5a, stats.known.events);

    memset(&stats, 0x5a, sizeof stats);
    stats.known.struct_size = sizeof stats;
    ASSERT_OK(guest_stats(toy.g, &stats.known)); /* a newer struct: what we do not know stays or is 0 */
    ASSERT_EQ_U64(1, stats.known.batches);
    ASSERT(stats.canary[0] == 0x5a5a5a5a5a5a5a5a || stats.canary[0] == 0);

    const size_t wrong[] = {0, 1, sizeof(size_t)};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        stats.known.struct_size = wrong[i];
        ASSERT_STATUS(GUEST_ESIZE, guest_stats(toy.g, &stats.known));
    }
    toy_end(&toy);
}

TEST(struct_size_of_live)
{
    guest_live_t live = {.struct_size = sizeof live};
    toy_t toy = {0};
    probe_t probe = PROBE(&toy);
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_timer(&toy, GUEST_FOREVER, 0, &probe);
    ASSERT_OK(guest_live(&live));
    ASSERT_EQ_U64(1, live.guests);
    ASSERT_EQ_U64(1, live.sources);
    ASSERT_EQ_U64(1, live.threads);
    live.sources = 77;
    live.struct_size = offsetof(guest_live_t, sources);
    ASSERT_OK(guest_live(&live));
    ASSERT_EQ_U64(77, live.sources);
    live.struct_size = 0;
    ASSERT_STATUS(GUEST_ESIZE, guest_live(&live));
    toy_end(&toy);
}

TEST(unknown_flags)
{
    guest_options_t options = options_for(GUEST_DRIVE_FD);
    options.drive = GUEST_DRIVE_RUN + 1;
    start_gives(GUEST_EFLAGS, NULL, &options);
    options.drive = UINT32_MAX;
    start_gives(GUEST_EFLAGS, NULL, &options);
    options = options_for(GUEST_DRIVE_FD);
    options.flags = GUEST_FLAG_LEVEL << 1;
    start_gives(GUEST_EFLAGS, NULL, &options);
    options.flags = GUEST_FLAG_PULL | 1u << 31;
    start_gives(GUEST_EFLAGS, NULL, &options);
    options = options_for(GUEST_DRIVE_FD);
    options.reserved = 1;
    start_gives(GUEST_EFLAGS, NULL, &options);
    options = options_for(GUEST_DRIVE_FD);
    options.work_threads = 1025;
    start_gives(GUEST_EINVAL, NULL, &options);
    options.work_threads = 1024; /* started as needed: none yet */
    start_gives(GUEST_OK, NULL, &options);
}

TEST(version_macros_match_the_library)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", GUEST_VERSION_MAJOR, GUEST_VERSION_MINOR, GUEST_VERSION_PATCH);
    ASSERT_EQ_STR(text, guest_version_string());
    ASSERT_EQ_STR(PACKAGE_VERSION, text); /* Cargo.toml's, by way of CMake */
    ASSERT_EQ_U64(GUEST_VERSION_MAJOR * 1000000 + GUEST_VERSION_MINOR * 1000 + GUEST_VERSION_PATCH, guest_version());
}

static const struct {
    guest_status_t status;
    const char *name;
} codes[] = {
#define CODE(name) {name, #name}
    CODE(GUEST_OK),        CODE(GUEST_ENULL),     CODE(GUEST_EINVAL),  CODE(GUEST_ESIZE),    CODE(GUEST_EFLAGS),
    CODE(GUEST_ESTALE),    CODE(GUEST_ETHREAD),   CODE(GUEST_EDRIVE),  CODE(GUEST_ECLOSED),  CODE(GUEST_EFORKED),
    CODE(GUEST_EPANIC),    CODE(GUEST_EOS),       CODE(GUEST_EEXIST),  CODE(GUEST_ERESOLVE), CODE(GUEST_EINLINE),
    CODE(GUEST_ETIMEDOUT), CODE(GUEST_EHOSTGONE), CODE(GUEST_ENOTSUP), CODE(GUEST_EORDER),   CODE(GUEST_ENOMEM),
};

TEST(status_names)
{
    ASSERT_EQ_U64(20, COUNT(codes));
    for (size_t i = 0; i < COUNT(codes); i++) {
        ASSERT_EQ_I64(-(int64_t)i, codes[i].status); /* dense, and never renumbered */
        ASSERT_EQ_STR(codes[i].name, guest_status_name(codes[i].status));
    }
    const guest_status_t unknown[] = {1, -(int32_t)COUNT(codes), GUEST_HOST_GONE, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < COUNT(unknown); i++)
        ASSERT_EQ_STR("GUEST_UNKNOWN", guest_status_name(unknown[i]));
}

/* As snprintf: the whole length is returned, the text is cut to fit, and always ends in a NUL. */
TEST(status_messages_are_cut_like_snprintf)
{
    for (size_t i = 0; i < COUNT(codes); i++) {
        char whole[512], cut[512];
        size_t length = 0, again = 0;
        ASSERT_OK(guest_status_message(codes[i].status, whole, sizeof whole, &length));
        ASSERT_EQ_U64(strlen(whole), length);
        ASSERT(length > 15 && whole[length - 1] == '.');
        ASSERT_OK(guest_status_message(codes[i].status, NULL, 0, &again));
        ASSERT_EQ_U64(length, again);
        for (size_t capacity = 1; capacity <= length + 1; capacity++) {
            memset(cut, 0x5a, sizeof cut);
            ASSERT_OK(guest_status_message(codes[i].status, cut, capacity, &again));
            ASSERT_EQ_U64(length, again);
            ASSERT_EQ_U64(capacity - 1, strlen(cut));
            ASSERT(strncmp(whole, cut, capacity - 1) == 0);
            ASSERT_EQ_I64(0x5a, cut[capacity]);
        }
    }
}

static void *no_error_yet(void *argument)
{
    (void)argument;
    guest_status_t status = 77;
    int32_t os_error = 77;
    ASSERT_OK(guest_last_error(&status, &os_error, NULL, 0, NULL));
    ASSERT_OK(status);
    ASSERT_EQ_I64(0, os_error);
    return NULL;
}

TEST(last_error_is_the_threads_own)
{
    toy_t toy = {0};
    guest_status_t status;
    int32_t os_error;
    char text[512], cut[8];
    size_t length;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    ASSERT_STATUS(GUEST_EOS, guest_fd_add(toy.g, 1000000, GUEST_READABLE, on_fd, NULL, NULL, NULL));
    for (unsigned i = 0; i < 2; i++) { /* reading it does not clear it, nor does success */
        ASSERT_OK(guest_last_error(&status, &os_error, text, sizeof text, &length));
        ASSERT_STATUS(GUEST_EOS, status);
        ASSERT_EQ_I64(NO_SUCH_FD, os_error);
        ASSERT_EQ_U64(strlen(text), length);
        ASSERT(length > 10);
        ASSERT_OK(guest_wake(toy.g));
    }
    ASSERT_OK(guest_last_error(NULL, NULL, cut, sizeof cut, &length));
    ASSERT_EQ_U64(sizeof cut - 1, strlen(cut));
    ASSERT_EQ_U64(strlen(text), length);
    join(spawn(no_error_yet, NULL));
    ASSERT_STATUS(GUEST_ESTALE, guest_close(toy.g, 1));
    ASSERT_OK(guest_last_error(&status, &os_error, NULL, 0, NULL));
    ASSERT_STATUS(GUEST_ESTALE, status);
    ASSERT_EQ_I64(0, os_error);
    toy_end(&toy);
}
