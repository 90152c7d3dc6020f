/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What a peer that has keys can say: any plaintext, in any records, on UDP or TCP, from server or
 * client. The first byte chooses transport and sender; then each record is two bytes of length and
 * its plaintext. The session may end by it; books must balance.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/base/cursor.h"
#include "lib/engine/engine.h"
#include "tests/sim/stream.h"
#include "tests/sim/world.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) abort();                                                                 \
    } while (0)

#define OVER_TCP       1
#define BY_SERVER      2
#define AS_A_STRANGER  4 /* whoever sends is let in: AuthRequests find open doors */
#define WITH_A_LANE    8 /* Expresslane on both ends */
#define RECORD_MAX_UDP 1400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void start_over(struct world *world, uint8_t mode)
{
    if (world->count == 0) {
        world_init(world, 1);
        world_server(world, false);
        world_client(world, &(struct client_options){.keyshare = SW_KEYSHARE_X25519MLKEM768});
    }
    world_swallow(world);
    world->seed = 1;
    world->now = SW_SECOND;
    world->step = NULL;
    for (int i = 0; i < 2; i++) {
        struct node *node = &world->nodes[i];
        node->event = NULL;
        node->online = node->closed = node->assigned = node->released = node->authorised = 0;
        node->next_ip = POOL_FIRST_IP;
        memset(node->leases, 0, sizeof node->leases);
        node->anyone = (mode & AS_A_STRANGER) != 0;
        node->config.expresslane = (mode & WITH_A_LANE) != 0;
        world_restart(node);
    }
}

static void say(struct node *sender, struct sw_cursor *c, size_t most)
{
    const uint8_t *bytes;
    uint16_t len;

    while (sw_cursor_be16(c, &len) == 0 && sender->closed == 0) {
        if (len > most) len = (uint16_t)most;
        if (len > sw_cursor_left(c)) len = (uint16_t)sw_cursor_left(c);
        CHECK(sw_cursor_bytes(c, len, &bytes) == 0);
        if (len > 0) world_send_plain(sender, sender->conn, bytes, len);
        world_run(sender->world, 20 * SW_MILLISECOND, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct sw_cursor c = sw_cursor(data, size);
    struct stream stream = {0};
    uint8_t mode;

    if (sw_cursor_u8(&c, &mode) < 0) return 0;
    start_over(&world, mode);
    struct node *server = &world.nodes[0], *client = &world.nodes[1];
    if (mode & OVER_TCP)
        stream_open(&stream, server, client, 1500);
    else
        CHECK(world_connect(client, server) != NULL);
    CHECK(world_run(&world, SW_SECOND, world_both_online));

    say(mode & BY_SERVER ? server : client, &c,
        mode & OVER_TCP ? SW_TLS_RECORD_MAX : RECORD_MAX_UDP);
    CHECK(server->assigned - server->released ==
          (sw_engine_next_conn(server->engine, NULL) != NULL));
    sw_engine_shutdown(client->engine, world.now);
    world_flush(client);
    world_run(&world, SW_SECOND, NULL);
    CHECK(sw_engine_next_conn(server->engine, NULL) == NULL);
    CHECK(server->assigned == server->released && server->engine->half_open.count == 0);
    if (mode & OVER_TCP) stream_free(&stream);
    return 0;
}
