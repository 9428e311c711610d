/* What the tests of streams share: a user_data that counts what is told of one stream and fails the test when something comes
 * on the wrong thread or after the end, and peers that are plain sockets. */
#ifndef WIRE_H
#define WIRE_H

#include "toy.h"

#include <netinet/in.h>

/* What was told, so that an act can ask for it. */
typedef enum told {
    TOLD_OPENED = 1,
    TOLD_READ = 2,
    TOLD_END = 4,
    TOLD_WATER = 8,
    TOLD_CLOSED = 16,
    TOLD_WRITTEN = 32
} told_t;

typedef struct wire wire_t;
struct wire {
    toy_t *toy;
    guest_id_t id;
    /* Called last, with what was told; `data` and `size` are those of TOLD_READ. */
    void (*act)(wire_t *wire, told_t told, const void *data, size_t size);
    void *argument;
    unsigned opened, ends, highs, lows, closed, drops;
    uint64_t received, queued;
    uint32_t digest; /* of all that was received, in order */
    unsigned written[2]; /* writes that ended well, and others */
    unsigned next_written; /* writes end in order: the number of the one that comes next */
    unsigned writes; /* made so far, */
    uint64_t at; /* and where the pattern has got to with them */
    guest_status_t status, written_status;
    int32_t os_error, written_error;
};

#define WIRE(toy_) {.toy = (toy_)}

/* The functions of a wire, `flags` and default marks. */
guest_stream_options_t wire_options(uint32_t flags);
void wire_drop(void *wire);
void wire_written(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *note);

/* Writes `size` bytes of a pattern that goes on where the last write has ended, borrowed until the end is told. */
void wire_write(wire_t *wire, size_t size);
/* Fills in `size` bytes of the pattern from `at` on, and returns `size`. */
size_t pattern_fill(char *bytes, uint64_t at, size_t size);
/* The digest of the first `size` bytes of the pattern. */
uint32_t pattern_digest(uint64_t size);

/* Registrations that must succeed. */
guest_id_t wire_adopt(wire_t *wire, int fd, uint32_t flags);
guest_id_t wire_connect(wire_t *wire, const char *node, uint16_t port);
/* Closes it, and runs the loop until it is dropped. */
void wire_close(wire_t *wire);

/* A listener that gives every connection to the wires of `argument`, an array of `count`, one after the other. */
typedef struct door {
    toy_t *toy;
    guest_id_t id;
    wire_t *wires;
    size_t count, taken;
    unsigned refusals, drops; /* times that none could be accepted */
    int32_t os_error;
    uint16_t port;
    void (*act)(struct door *door);
} door_t;

void door_open(door_t *door, const char *node);
void door_offer(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *door);
void door_drop(void *door);

/* Two ends of a connection, both non-blocking: the first is for a stream, the second the peer. */
void unix_pair(int ends[2]);
void tcp_pair(int ends[2]);
/* Reads all that has come; says whether the end has. */
bool peer_read(int peer, uint64_t *received, uint32_t *digest);
/* Closes it so that the other end is reset. */
void peer_reset(int peer);

#endif
