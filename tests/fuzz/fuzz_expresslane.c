/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Any bytes as the payload of a flagged datagram, for a lane in every condition: the first byte of
 * the input says what keys it has, which version, how far its window has moved and how much room
 * there is for the text. Nothing of it can be authentic, since nobody knows the keys; and why it is
 * refused follows from the protocol page (docs/protocol/expresslane.md §8) without the engine. The
 * payload stays as it was, and so does everything behind the text. Both lie before a page that
 * nobody may touch, because what opens packets is assembly.
 */

#include <stdlib.h>

#include "lib/engine/engine.h"
#include "tests/unit/guard.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) abort();                                                                 \
    } while (0)

/* The bits of the first byte */
#define HAS_KEY      0x01
#define HAS_PREVIOUS 0x02
#define IS_V1        0x04
#define HAS_RECEIVED 0x08 /* counters up to 10000, but for every third */
#define IS_GRACE_END 0x10
#define LITTLE_ROOM  0x20

#define RECEIVED    10000
#define PAYLOAD_MAX 70000

static struct sw_engine engine;
static struct sw_aead_key *peer_key;
static struct sw_replay_window moved;
static struct guard payload_guard, out_guard;

static void prepare(void)
{
    uint8_t bytes[SW_AEAD_KEY_LEN];

    engine.aead = sw_aead_new(NULL);
    CHECK(engine.aead != NULL);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    peer_key = sw_aead_key_new(engine.aead, bytes);
    CHECK(peer_key != NULL);
    payload_guard = guard_new(PAYLOAD_MAX);
    out_guard = guard_new(SW_TLS_RECORD_MAX);
    for (uint64_t counter = 1; counter <= RECEIVED; counter++)
        if (counter % 3 != 0 || counter == RECEIVED) sw_replay_window_commit(&moved, counter);
}

static void set_up(struct sw_conn *conn, uint8_t how)
{
    memset(conn, 0, sizeof *conn);
    conn->engine = &engine;
    conn->state = SW_STATE_ONLINE;
    conn->lane.state = SW_EXPRESSLANE_INACTIVE;
    conn->lane.version = (how & IS_V1) != 0 ? 1 : 2;
    if ((how & HAS_KEY) != 0) conn->lane.peer.ready = peer_key;
    /* its own copy: the end of its time frees it */
    if ((how & HAS_PREVIOUS) != 0) {
        static const uint8_t bytes[SW_AEAD_KEY_LEN] = {0x91, 0x3c};
        conn->lane.previous.ready = sw_aead_key_new(engine.aead, bytes);
        CHECK(conn->lane.previous.ready != NULL);
    }
    if ((how & IS_GRACE_END) != 0) sw_expresslane_grace_over(conn);
    if ((how & HAS_RECEIVED) != 0) conn->lane.window = moved;
}

static bool replayed(uint8_t how, uint64_t counter)
{
    if (counter == 0) return true;
    if ((how & HAS_RECEIVED) == 0 || counter > RECEIVED) return false;
    return counter <= RECEIVED - 8192 || counter % 3 != 0 || counter == RECEIVED;
}

/* What the payload deserves. */
static int verdict(uint8_t how, const uint8_t *payload, size_t len, size_t room)
{
    if (len < 40) return SW_ESHORT;
    const size_t text = sw_get_be16(payload + 36);
    if (len - 40 < text) return SW_ESHORT;
    if (text > room) return SW_EOVERSIZE;
    if (replayed(how, sw_get_be64(payload))) return SW_EREPLAY;
    return (how & HAS_KEY) != 0 ? SW_EAUTH : SW_ENOKEY;
}

static bool untouched(const uint8_t *from, const uint8_t *end)
{
    while (from < end)
        if (*from++ != GUARD_PATTERN) return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sw_header header = {.session = {{1, 2, 3, 4, 5, 6, 7, 8}}};
    struct sw_conn conn;
    bool encoded = false;

    if (size == 0 || size > PAYLOAD_MAX) return 0;
    if (engine.aead == NULL) prepare();
    const uint8_t how = data[0];
    const size_t len = size - 1, room = (how & LITTLE_ROOM) != 0 ? 64 : SW_TLS_RECORD_MAX;
    const uint8_t *payload = guard_copy(&payload_guard, data + 1, len);
    uint8_t *out = guard_room(&out_guard, room);
    memset(out, GUARD_PATTERN, room);
    set_up(&conn, how);
    const struct sw_replay_window window = conn.lane.window;

    int r =
        sw_expresslane_open(&conn, &header, (struct sw_span){payload, len}, out, room, &encoded);
    CHECK(r == verdict(how, payload, len, room));
    CHECK(untouched(r == SW_EAUTH ? out + sw_get_be16(payload + 36) : out, out + room));
    CHECK(guard_intact(&out_guard, room));
    CHECK(len == 0 || memcmp(payload, data + 1, len) == 0);
    CHECK(memcmp(&conn.lane.window, &window, sizeof window) == 0);
    CHECK(conn.lane.received == 0 && !encoded);
    if ((how & IS_GRACE_END) != 0 && r == SW_EAUTH) CHECK(conn.lane.previous.ready == NULL);

    sw_aead_key_free(engine.aead, conn.lane.previous.ready);
    return 0;
}
