/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Expresslane's packets, all in: headers, counter, nonce, additional data, replay window. Compared
 * with the one call of intel-ipsec-mb that does the arithmetic and nothing else.
 */

#include <intel-ipsec-mb.h>
#include <string.h>

#include "bench/micro.h"
#include "lib/aead/backend.h"
#include "lib/engine/engine.h"
#include "tests/unit/random.h"

#define HEAD     52
#define BODY     1320
#define TEXT     (HEAD + BODY)
#define DATAGRAM (SW_HEADER_LEN + SW_LANE_HEADER_LEN + TEXT)
#define SEALED   64 /* datagrams to open; as much as stays cached on the way from the kernel */

static struct {
    struct sw_engine engine;
    struct sw_conn conn;
    struct sw_header header;
    struct sw_aead *wolf;
    struct sw_aead_key *wolf_key;
    IMB_MGR *manager;
    _Alignas(64) struct gcm_key_data key; /* the library stores it in vectors */
    struct gcm_context_data context;
    uint8_t head[64], body[BODY], out[DATAGRAM];
    uint8_t sealed[SEALED][DATAGRAM];
} * lane;

static const uint8_t key_bytes[SW_AEAD_KEY_LEN] = {1, 2, 3, 4, 5, 6, 7, 8};

/* The random text as a packet. */
static void seal_text(uint8_t *datagram)
{
    memcpy(datagram + SW_LANE_TEXT, lane->head, HEAD);
    memcpy(datagram + SW_LANE_TEXT + HEAD, lane->body, BODY);
    sw_expresslane_seal(&lane->conn, datagram, TEXT, false);
}

static void set_up(void)
{
    uint64_t seed = 9;
    IMB_ARCH arch;
    lane = aligned_alloc(64, (sizeof *lane + 63) / 64 * 64);
    BENCH_CHECK(lane != NULL);
    memset(lane, 0, sizeof *lane);
    lane->manager = alloc_mb_mgr(0);
    BENCH_CHECK(lane->manager != NULL);
    init_mb_mgr_auto(lane->manager, &arch);
    IMB_AES256_GCM_PRE(lane->manager, key_bytes, &lane->key);
    lane->wolf = sw_aead_new(&sw_aead_wolfcrypt);
    BENCH_CHECK(lane->wolf != NULL);
    lane->wolf_key = sw_aead_key_new(lane->wolf, key_bytes);

    struct sw_conn *conn = &lane->conn;
    lane->engine.aead = sw_aead_new(&sw_aead_ipsec_mb);
    BENCH_CHECK(lane->engine.aead != NULL);
    conn->engine = &lane->engine;
    conn->version = SW_VERSION(1, 3);
    conn->session = (struct sw_session_id){{1, 2, 3, 4, 5, 6, 7, 8}};
    conn->lane.version = SW_LANE_VERSION;
    conn->lane.self.ready = sw_aead_key_new(lane->engine.aead, key_bytes);
    conn->lane.self.salt = 0x12345678;
    conn->lane.peer.ready = sw_aead_key_new(lane->engine.aead, key_bytes);
    BENCH_CHECK(lane->wolf_key != NULL && conn->lane.self.ready != NULL &&
                conn->lane.peer.ready != NULL);
    lane->header =
        (struct sw_header){.version = conn->version, .expresslane = true, .session = conn->session};

    random_fill(&seed, lane->head, sizeof lane->head);
    random_fill(&seed, lane->body, sizeof lane->body);
    for (int i = 0; i < SEALED; i++)
        seal_text(lane->sealed[i]);
}

static void tear_down(void)
{
    sw_aead_key_free(lane->wolf, lane->wolf_key);
    sw_aead_free(lane->wolf);
    sw_aead_key_free(lane->engine.aead, lane->conn.lane.self.ready);
    sw_aead_key_free(lane->engine.aead, lane->conn.lane.peer.ready);
    sw_aead_free(lane->engine.aead);
    free_mb_mgr(lane->manager);
    free(lane);
}

/* Counter, nonce, tag, length, flags, text (docs/protocol/expresslane.md §3). */
static struct sw_aead_packet fields(const uint8_t *datagram, uint8_t aad[18])
{
    const uint8_t *p = datagram + SW_HEADER_LEN;
    memcpy(aad, lane->conn.session.bytes, 8);
    memcpy(aad + 8, p, 8);
    memcpy(aad + 16, p + 38, 2);
    return (struct sw_aead_packet){.nonce = p + 8, .aad = aad, .aad_len = 18};
}

/* What the bare call and the other back end make of the same text, under the lane's own nonce. */
static void check(void)
{
    static uint8_t text[2048], datagram[2048 + 64], other[2048], opened[2048];
    uint64_t seed = 13;
    for (int n = 0; n < 2000; n++) {
        size_t len = 1 + random_below(&seed, 1480);
        uint8_t aad[18], tag[16];
        bool encoded;
        random_fill(&seed, text, len);
        memcpy(datagram + SW_LANE_TEXT, text, len);
        sw_expresslane_seal(&lane->conn, datagram, len, false);
        const uint8_t *p = datagram + SW_HEADER_LEN;
        struct sw_aead_packet packet = fields(datagram, aad);

        IMB_AES256_GCM_ENC(lane->manager, &lane->key, &lane->context, other, text, len,
                           packet.nonce, aad, sizeof aad, tag, sizeof tag);
        BENCH_CHECK(memcmp(other, p + SW_LANE_HEADER_LEN, len) == 0);
        BENCH_CHECK(memcmp(tag, p + 20, sizeof tag) == 0);
        memcpy(other, text, len);
        sw_aead_seal(lane->wolf, lane->wolf_key, &packet, other, len, tag);
        BENCH_CHECK(memcmp(other, p + SW_LANE_HEADER_LEN, len) == 0);
        BENCH_CHECK(memcmp(tag, p + 20, sizeof tag) == 0);

        struct sw_span payload = {p, SW_LANE_HEADER_LEN + len};
        BENCH_CHECK(sw_expresslane_open(&lane->conn, &lane->header, payload, opened, sizeof opened,
                                        &encoded) == (int)len);
        BENCH_CHECK(memcmp(opened, text, len) == 0 && !encoded);
        BENCH_CHECK(sw_aead_open(lane->wolf, lane->wolf_key, &packet, p + SW_LANE_HEADER_LEN, len,
                                 p + 20, opened) == 0);
        BENCH_CHECK(memcmp(opened, text, len) == 0);
    }
}

/* In place, as the lane does it; what is sealed again and again is noise after the first time. */
static uint64_t bare_seal(unsigned count)
{
    uint8_t aad[18] = {0}, nonce[12] = {0}, tag[16];
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++) {
        uint8_t *text = lane->sealed[i % SEALED] + SW_LANE_TEXT;
        IMB_AES256_GCM_ENC(lane->manager, &lane->key, &lane->context, text, text, TEXT, nonce, aad,
                           sizeof aad, tag, sizeof tag);
        all += tag[0];
    }
    return all;
}

static uint64_t lane_seal(unsigned count)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++) {
        sw_expresslane_seal(&lane->conn, lane->sealed[i % SEALED], TEXT, false);
        all += lane->sealed[i % SEALED][40];
    }
    return all;
}

static uint64_t wolf_seal(unsigned count)
{
    uint8_t aad[18];
    struct sw_aead_packet packet = fields(lane->sealed[0], aad);
    uint8_t tag[16] = {0};
    for (unsigned i = 0; i < count; i++)
        sw_aead_seal(lane->wolf, lane->wolf_key, &packet, lane->sealed[i % SEALED] + SW_LANE_TEXT,
                     TEXT, tag);
    return tag[0];
}

static uint64_t bare_open(unsigned count)
{
    uint8_t aad[18], tag[16];
    uint64_t all = 0;
    struct sw_aead_packet packet = fields(lane->sealed[0], aad);
    for (unsigned i = 0; i < count; i++) {
        IMB_AES256_GCM_DEC(lane->manager, &lane->key, &lane->context, lane->out,
                           lane->sealed[i % SEALED] + 56, TEXT, packet.nonce, aad, sizeof aad, tag,
                           sizeof tag);
        all += tag[0];
    }
    return all;
}

/* Counters may not repeat: the window is emptied whenever all datagrams were opened. */
static uint64_t lane_open(unsigned count)
{
    uint64_t all = 0;
    bool encoded;
    for (unsigned i = 0; i < count; i++) {
        if (i % SEALED == 0) memset(&lane->conn.lane.window, 0, sizeof lane->conn.lane.window);
        struct sw_span payload = {lane->sealed[i % SEALED] + SW_HEADER_LEN,
                                  DATAGRAM - SW_HEADER_LEN};
        int n = sw_expresslane_open(&lane->conn, &lane->header, payload, lane->out,
                                    sizeof lane->out, &encoded);
        BENCH_CHECK(n == TEXT);
        all += lane->out[0];
    }
    return all;
}

static uint64_t wolf_open(unsigned count)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *p = lane->sealed[i % SEALED] + SW_HEADER_LEN;
        uint8_t aad[18];
        struct sw_aead_packet packet = fields(lane->sealed[i % SEALED], aad);
        BENCH_CHECK(sw_aead_open(lane->wolf, lane->wolf_key, &packet, p + SW_LANE_HEADER_LEN, TEXT,
                                 p + 20, lane->out) == 0);
        all += lane->out[0];
    }
    return all;
}

const struct bench_group bench_seal = {
    "seal",
    "packet of 1372 bytes",
    set_up,
    check,
    tear_down,
    {{"intel-ipsec-mb, the bare call", bare_seal, 0},
     {"sw_expresslane_seal, all in", lane_seal, 1.25},
     {"wolfCrypt, the arithmetic", wolf_seal, 0}},
};

const struct bench_group bench_open = {
    "open",
    "packet of 1372 bytes",
    set_up,
    check,
    tear_down,
    {{"intel-ipsec-mb, the bare call", bare_open, 0},
     {"sw_expresslane_open, all in", lane_open, 1.25},
     {"wolfCrypt, the arithmetic", wolf_open, 0}},
};
