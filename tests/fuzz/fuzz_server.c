/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What comes to a server's UDP socket: datagrams of several senders, and time (fuzz_world.h has the
 * format of the input). Whatever it is, books must balance, strangers must not be answered with
 * more than they sent, and what is half open must go away.
 */

#include <stdlib.h>

#include "tests/fuzz/fuzz_world.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) abort();                                                                 \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_books(const struct node *server)
{
    const struct sw_engine_counters *c = sw_engine_counters(server->engine);
    unsigned connections = 0, online = 0;

    for (struct sw_conn *conn = NULL; (conn = sw_engine_next_conn(server->engine, conn)) != NULL;) {
        connections++;
        online += sw_conn_state(conn) == SW_STATE_ONLINE;
    }
    CHECK(c->conn_created - c->conn_closed == connections);
    CHECK(server->engine->half_open.count == connections - online);
    CHECK(server->assigned - server->released == online);
}

static void one_datagram(struct node *server, unsigned from, const uint8_t *data, size_t len)
{
    const struct sw_engine_counters *c = sw_engine_counters(server->engine);
    const uint64_t sent = c->udp_sent_bytes, created = c->conn_created;
    const bool alone = sw_engine_next_conn(server->engine, NULL) == NULL;
    uint8_t *copy = malloc(len > 0 ? len : 1);

    CHECK(copy != NULL);
    if (len > 0) memcpy(copy, data, len);
    fuzz_datagram(server, from, copy, len);
    free(copy);
    if (alone && c->conn_created == created) CHECK(c->udp_sent_bytes - sent <= len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct node *server = fuzz_server(&world);
    struct sw_cursor c = sw_cursor(data, size);
    const uint8_t *bytes;
    uint16_t len;
    uint8_t step;

    while (sw_cursor_u8(&c, &step) == 0 && sw_cursor_be16(&c, &len) == 0) {
        if (step >= FUZZ_ADDRESSES) {
            world_run(&world, len * SW_MILLISECOND, NULL);
        } else {
            if (len > sw_cursor_left(&c)) len = (uint16_t)sw_cursor_left(&c);
            CHECK(sw_cursor_bytes(&c, len, &bytes) == 0);
            one_datagram(server, step, bytes, len);
        }
        check_books(server);
    }
    world_run(&world, 61 * SW_SECOND, NULL);
    CHECK(server->engine->half_open.count == 0);
    sw_engine_shutdown(server->engine, world.now);
    world_flush(server);
    check_books(server);
    return 0;
}
