/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

/*
 * The simulated server that fuzz_server.c throws datagrams at and record_server.c records real ones
 * from. Its randomness starts over with every input, so a recorded handshake runs through again.
 *
 * An input is a row of steps: a byte that says what, two bytes of length, and then:
 *
 *   0..3   a datagram of that length from one of four addresses
 *   other  nothing; as many milliseconds pass
 */

#include <string.h>

#include "lib/base/cursor.h"
#include "lib/engine/engine.h"
#include "tests/sim/world.h"

#define FUZZ_ADDRESSES 4

/** A server that knows nobody, always the same one. */
static inline struct node *fuzz_server(struct world *world)
{
    if (world->count == 0) {
        world_init(world, 1);
        world_server(world, true);
    }
    struct node *server = &world->nodes[0];
    world_swallow(world);
    world->seed = 1;
    world->now = SW_SECOND;
    server->next_ip = POOL_FIRST_IP;
    server->assigned = server->released = 0;
    memset(server->leases, 0, sizeof server->leases);
    world_restart(server);
    return server;
}

static inline void fuzz_datagram(struct node *server, unsigned from, uint8_t *data, size_t len)
{
    const struct sw_path path = {.remote = world_stranger(from, (uint16_t)(1000 + from)),
                                 .local = server->address};

    sw_engine_datagram(server->engine, &path, data, len, server->world->now);
    world_flush(server);
}

#endif
