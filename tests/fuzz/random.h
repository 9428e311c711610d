/* Numbers that look random and come again for the same seed, on every machine. Each operation and each callback has a
 * stream of its own, so that what one draws does not change what the next one does. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct random {
    uint64_t state;
} random_t;

static inline uint64_t random_next(random_t *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline random_t random_of(uint64_t seed, uint64_t stream)
{
    random_t r = {seed};
    r.state = random_next(&r) + stream * 0xd1342543de82ef95u;
    r.state = random_next(&r);
    return r;
}

static inline uint64_t below(random_t *r, uint64_t bound)
{
    return random_next(r) % bound;
}

static inline bool chance(random_t *r, unsigned percent)
{
    return below(r, 100) < percent;
}

#endif
