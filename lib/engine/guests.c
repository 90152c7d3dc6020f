/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A client learns its session id when it is Online; its handshake and login, a handful of
 * datagrams, come without one. So an entry is needed for a second or two, and for as long as a
 * client goes on without an id. It lapses when it has not been used for some minutes, earlier when
 * newer ones need its place: sets of four, of which the one that was used longest ago goes.
 *
 * The 64-bit keyed hash stands for the address. Two addresses with the same one are not to be
 * expected in the lifetime of a server, and would cost one of them a handshake.
 */

#include "lib/engine/guests.h"

#include <stdlib.h>

#define SETS  1024
#define WAYS  4
#define LAPSE (10 * SW_MINUTE)

struct guest {
    uint64_t hash;
    sw_time used; /* 0: free */
    unsigned worker;
};

struct sw_guests {
    struct guest sets[SETS][WAYS];
};

struct sw_guests *sw_guests_new(void)
{
    return calloc(1, sizeof(struct sw_guests));
}

void sw_guests_free(struct sw_guests *guests)
{
    free(guests);
}

static struct guest *find(struct sw_guests *guests, uint64_t hash)
{
    struct guest *set = guests->sets[hash % SETS];
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].used != 0 && set[i].hash == hash) return &set[i];
    return NULL;
}

static struct guest *oldest(struct sw_guests *guests, uint64_t hash)
{
    struct guest *set = guests->sets[hash % SETS], *found = &set[0];
    for (unsigned i = 1; i < WAYS; i++)
        if (set[i].used < found->used) found = &set[i];
    return found;
}

void sw_guests_put(struct sw_guests *guests, uint64_t hash, unsigned worker, sw_time now)
{
    struct guest *guest = find(guests, hash);
    if (guest == NULL) guest = oldest(guests, hash);
    *guest = (struct guest){.hash = hash, .used = now > 0 ? now : 1, .worker = worker};
}

int sw_guests_find(struct sw_guests *guests, uint64_t hash, sw_time now)
{
    struct guest *guest = find(guests, hash);
    if (guest == NULL) return -1;
    if (now > guest->used && now - guest->used > LAPSE) {
        guest->used = 0;
        return -1;
    }
    if (now > guest->used) guest->used = now;
    return (int)guest->worker;
}
