/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_LANE_RIG_H
#define SW_TESTS_LANE_RIG_H

/*
 * One connection with an Expresslane and nothing else: an engine without TLS, a clock that the test
 * moves, randomness that counts. Frames that would go through DTLS are kept instead, and memory can
 * be short: the linker puts the wrappers below in front of the functions they are named after.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "tests/unit/hex.h"

#define RIG_FRAMES 64

struct rig {
    struct sw_engine *engine;
    struct sw_conn *conn;
    struct sw_expresslane *lane; /**< of conn */

    struct sw_frame_expresslane sent[RIG_FRAMES];
    sw_time sent_at[RIG_FRAMES];
    unsigned sent_count;

    uint8_t next_random;
    struct sw_expresslane_keys published; /**< the last ones */
    unsigned publications, events, closed;
    bool close_on_event, close_on_keys; /**< the callback ends the connection */

    int stats_error; /**< of the provider */
    struct sw_expresslane_stats stats;
};

static struct rig rig;
static bool rig_no_memory;

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return rig_no_memory ? NULL : __real_aligned_alloc(alignment, size);
}

int __wrap_sw_conn_send_frame(struct sw_conn *conn, const struct sw_frame *frame);
int __wrap_sw_conn_send_frame(struct sw_conn *conn, const struct sw_frame *frame)
{
    assert_ptr_equal(conn, rig.conn);
    assert_int_equal(rig.closed, 0);
    assert_int_equal(frame->kind, SW_FRAME_EXPRESSLANE_CONFIG);
    assert_true(rig.sent_count < RIG_FRAMES);
    rig.sent_at[rig.sent_count] = rig.engine->env.now;
    rig.sent[rig.sent_count++] = frame->expresslane;
    return 0;
}

static void rig_close(struct sw_conn *conn)
{
    conn->state = SW_STATE_DISCONNECTED;
    rig.closed++;
}

static void rig_on_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    (void)user;
    assert_int_equal(rig.closed, 0);
    assert_int_equal(event->type, SW_EVENT_EXPRESSLANE);
    rig.events++;
    if (rig.close_on_event) rig_close(conn);
}

static void rig_on_keys(void *user, struct sw_conn *conn, const struct sw_expresslane_keys *keys)
{
    (void)user;
    assert_int_equal(rig.closed, 0);
    rig.published = *keys;
    rig.publications++;
    if (rig.close_on_keys) rig_close(conn);
}

static void rig_random(void *user, uint8_t *out, size_t len)
{
    (void)user;
    for (size_t i = 0; i < len; i++)
        out[i] = rig.next_random++;
}

static const struct sw_callbacks rig_callbacks = {
    .event = rig_on_event,
    .expresslane_keys = rig_on_keys,
    .random = rig_random,
};

static int rig_on_stats(void *user, struct sw_conn *conn, struct sw_expresslane_stats *out)
{
    (void)user;
    (void)conn;
    *out = rig.stats;
    return rig.stats_error;
}

/** With an external data plane that counts. */
static const struct sw_callbacks rig_provider_callbacks = {
    .event = rig_on_event,
    .expresslane_keys = rig_on_keys,
    .expresslane_stats = rig_on_stats,
    .random = rig_random,
};

#define RIG_SESSION "0102030405060708"

static inline void rig_bytes(void *out, size_t len, const char *text)
{
    struct hex bytes = hex(text);
    assert_int_equal(bytes.len, len);
    memcpy(out, bytes.data, len);
    free(bytes.data);
}

/** An Online connection over UDP, version 1.3. */
static inline void rig_start(enum sw_role role, bool expresslane)
{
    const struct sw_path path = {.remote = {.family = 4, .port = 1}};

    rig = (struct rig){.engine = calloc(1, sizeof *rig.engine)};
    assert_non_null(rig.engine);
    rig.engine->config = (struct sw_engine_config){
        .role = role,
        .callbacks = &rig_callbacks,
        .expresslane = expresslane,
        .expresslane_rotation = 15 * SW_MINUTE,
        .keepalive_interval = 10 * SW_SECOND,
    };
    rig.engine->env.now = 1000 * SW_SECOND;
    sw_list_init(&rig.engine->conns);
    rig.engine->aead = expresslane ? sw_aead_new(NULL) : NULL;
    rig.conn = sw_conn_new(rig.engine, SW_DATAGRAM, &path);
    assert_non_null(rig.conn);
    rig.conn->version = SW_VERSION(1, 3);
    rig.conn->state = SW_STATE_ONLINE;
    rig_bytes(rig.conn->session.bytes, 8, RIG_SESSION);
    rig.lane = &rig.conn->lane;
    sw_expresslane_init(rig.conn);
}

static inline void rig_end(void)
{
    sw_conn_free(rig.conn);
    sw_deadlines_release(&rig.engine->deadlines);
    sw_aead_free(rig.engine->aead);
    free(rig.engine);
}

/** Lets time pass, and the exchange's timer run when it is due. */
static inline void rig_wait(sw_time time)
{
    const sw_time end = rig.engine->env.now + time;
    sw_time *offer = &rig.conn->timers[SW_TIMER_EXPRESSLANE];
    sw_time *grace = &rig.conn->timers[SW_TIMER_LANE_GRACE];

    while (*offer <= end || *grace <= end) {
        bool is_offer = *offer <= *grace;
        sw_time *timer = is_offer ? offer : grace;
        rig.engine->env.now = *timer;
        *timer = SW_NEVER;
        if (is_offer)
            sw_expresslane_timer(rig.conn);
        else
            sw_expresslane_grace_over(rig.conn);
    }
    rig.engine->env.now = end;
}

/** The key that is 32 times the same byte. */
static inline void rig_key(uint8_t out[SW_EXPRESSLANE_KEY_LEN], uint8_t byte)
{
    memset(out, byte, SW_EXPRESSLANE_KEY_LEN);
}

static inline void rig_offer(uint8_t version, uint64_t counter, uint8_t key)
{
    struct sw_frame_expresslane offer = {.version = version, .enabled = true, .counter = counter};
    rig_key(offer.key, key);
    sw_expresslane_config(rig.conn, &offer);
}

static inline void rig_notice(uint64_t counter)
{
    const struct sw_frame_expresslane notice = {.version = 2, .counter = counter};
    sw_expresslane_config(rig.conn, &notice);
}

static inline void rig_ack(uint8_t version, uint64_t counter)
{
    struct sw_frame_expresslane ack = {
        .version = version, .enabled = true, .ack = true, .counter = counter};
    rig_key(ack.key, 0xee); /* says nothing */
    sw_expresslane_config(rig.conn, &ack);
}

/** The last frame sent. */
static inline const struct sw_frame_expresslane *rig_last(void)
{
    assert_true(rig.sent_count > 0);
    return &rig.sent[rig.sent_count - 1];
}

/** A client with both keys: its own counts from 00, the peer's is 5a 32 times. */
static inline void rig_active(uint8_t version)
{
    rig_start(SW_CLIENT, true);
    sw_expresslane_rotate(rig.conn);
    rig_ack(version, 1);
    rig_offer(version, 1, 0x5a);
    assert_int_equal(rig.lane->state, SW_EXPRESSLANE_ACTIVE);
    assert_true(sw_expresslane_ready(rig.lane));
}

static const uint8_t zero_key[SW_EXPRESSLANE_KEY_LEN];

static inline void assert_sent(unsigned index, bool ack, bool enabled, uint8_t version,
                               uint64_t counter)
{
    assert_true(index < rig.sent_count);
    const struct sw_frame_expresslane *frame = &rig.sent[index];
    assert_int_equal(frame->ack, ack);
    assert_int_equal(frame->enabled, enabled);
    assert_int_equal(frame->version, version);
    assert_int_equal(frame->counter, counter);
    if (ack || !enabled)
        assert_memory_equal(frame->key, zero_key, sizeof zero_key); /* R11 */
    else
        assert_memory_not_equal(frame->key, zero_key, sizeof zero_key);
}

static inline void assert_state(enum sw_expresslane_state state)
{
    assert_string_equal(sw_expresslane_state_name(rig.lane->state),
                        sw_expresslane_state_name(state));
}

/** The frame, from type byte to end. */
static inline void assert_frame_bytes(const struct sw_frame_expresslane *config, const char *text)
{
    const struct sw_frame frame = {.kind = SW_FRAME_EXPRESSLANE_CONFIG, .expresslane = *config};
    uint8_t bytes[64];
    struct sw_writer w = sw_writer(bytes, sizeof bytes);
    struct hex expected = hex(text);

    assert_int_equal(sw_frame_encode(&w, &frame), 0);
    assert_int_equal(sw_writer_len(&w), expected.len);
    assert_memory_equal(bytes, expected.data, expected.len);
    free(expected.data);
}

/** The frame sent at start is followed by five equal ones, after 500, 1000 … 2500 ms. */
static inline void check_retransmissions(unsigned first, sw_time start)
{
    static const unsigned waits[] = {500, 1000, 1500, 2000, 2500};
    sw_time at = start;

    assert_true(rig.sent_at[first] == start);
    for (unsigned i = 0; i < 5; i++) {
        at += waits[i] * SW_MILLISECOND;
        assert_true(rig.sent_at[first + 1 + i] == at);
        assert_memory_equal(&rig.sent[first + 1 + i], &rig.sent[first], sizeof rig.sent[0]);
    }
}

/** A keepalive's answer with this payload. */
static inline void rig_pong(const char *text)
{
    struct hex payload = hex(text);
    sw_expresslane_pong(rig.conn, (struct sw_span){payload.data, payload.len});
    free(payload.data);
}

#endif
