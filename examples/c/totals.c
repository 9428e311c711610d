/* See fetch.h. What all downloads of a fetch have come to, by what it tells of each. */
#include "fetch.h"

size_t fetch_in_state(const fetch *f, fetch_state state)
{
    size_t number = 0;
    for (size_t i = 0; i < fetch_count(f); i++)
        number += fetch_get(f, i)->state == state;
    return number;
}

uint64_t fetch_received(const fetch *f)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < fetch_count(f); i++)
        sum += fetch_get(f, i)->received;
    return sum;
}

uint64_t fetch_total(const fetch *f)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < fetch_count(f); i++) {
        const fetch_item *item = fetch_get(f, i);
        sum += item->state == FETCH_RUNNING && item->total ? item->total : item->received;
    }
    return sum;
}
