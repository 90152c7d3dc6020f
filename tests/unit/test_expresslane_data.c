/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Packets of the lane, out and in (docs/protocol/expresslane.md §3, §7, §8, §18, §19). What the
 * peer sends is put together here, byte by byte, or stands in the protocol page.
 */

#include "tests/unit/lane_rig.h"
#include "tests/unit/lane_vectors.h"

#define PLAIN_MAX 65535

/* What becomes of a payload, in memory of exactly its size. */
struct outcome {
    int result;
    bool encoded;
    uint8_t plain[PLAIN_MAX];
};

static struct sw_header header_of(const char *session)
{
    struct sw_header header = {.version = SW_VERSION(1, 3), .expresslane = true};
    rig_bytes(header.session.bytes, 8, session);
    return header;
}

/* Opens a copy of the payload into room bytes; the copy must come back unchanged. */
static struct outcome *open_into(const char *session, struct hex payload, size_t room)
{
    static struct outcome outcome;
    const struct sw_header header = header_of(session);
    struct hex copy = hex_copy(payload.data, payload.len);
    uint8_t *out = malloc(room > 0 ? room : 1);

    assert_non_null(out);
    outcome = (struct outcome){0};
    outcome.result = sw_expresslane_open(rig.conn, &header, (struct sw_span){copy.data, copy.len},
                                         out, room, &outcome.encoded);
    if (outcome.result > 0) memcpy(outcome.plain, out, (size_t)outcome.result);
    assert_memory_equal(copy.data, payload.data, payload.len);
    free(copy.data);
    free(out);
    return &outcome;
}

static int open_payload(struct hex payload)
{
    return open_into(RIG_SESSION, payload, PLAIN_MAX)->result;
}

static int open_text(const char *session, const char *payload)
{
    struct hex bytes = hex(payload);
    int r = open_into(session, bytes, PLAIN_MAX)->result;
    free(bytes.data);
    return r;
}

/* A packet as a peer makes it that has the key 32 times this byte, and a nonce that says nothing.
 */
struct peer_packet {
    uint8_t version, key;
    uint64_t counter;
    uint16_t flags;
    const char *plain;
};

static void seal_into(uint8_t *datagram, const uint8_t *plain, size_t len)
{
    memcpy(datagram + SW_LANE_TEXT, plain, len);
    sw_expresslane_seal(rig.conn, datagram, len, false);
}

static struct hex sealed(const struct peer_packet *p)
{
    struct hex plain = hex(p->plain);
    struct hex out = {.len = SW_LANE_HEADER_LEN + plain.len};
    uint8_t key_bytes[SW_AEAD_KEY_LEN], aad[18];

    out.data = malloc(out.len);
    assert_non_null(out.data);
    rig_bytes(aad, 8, RIG_SESSION);
    sw_put_be64(aad + 8, p->counter);
    sw_put_be16(aad + 16, p->flags);
    sw_put_be64(out.data, p->counter);
    memset(out.data + 8, 0x77, SW_AEAD_NONCE_LEN);
    sw_put_be16(out.data + 36, (uint16_t)plain.len);
    sw_put_be16(out.data + 38, p->flags);
    rig_key(key_bytes, p->key);
    struct sw_aead_key *key = sw_aead_key_new(rig.engine->aead, key_bytes);
    const struct sw_aead_packet packet = {out.data + 8, aad, p->version == 1 ? 16 : 18};
    if (plain.len > 0) memcpy(out.data + 40, plain.data, plain.len);
    sw_aead_seal(rig.engine->aead, key, &packet, out.data + 40, plain.len, out.data + 20);
    sw_aead_key_free(rig.engine->aead, key);
    free(plain.data);
    return out;
}

static int open_sealed(uint8_t key, uint64_t counter)
{
    struct hex payload = sealed(&(struct peer_packet){2, key, counter, 0, "45 00*19"});
    int r = open_payload(payload);
    free(payload.data);
    return r;
}

/* --- vectors -----------------------------------------------------------------------------------*/

static void offer_key(uint8_t version, uint64_t counter, const char *key)
{
    struct sw_frame_expresslane offer = {.version = version, .enabled = true, .counter = counter};
    rig_bytes(offer.key, sizeof offer.key, key);
    sw_expresslane_config(rig.conn, &offer);
}

static void test_published_packets_are_opened_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < LANE_VECTORS; i++) {
        const struct lane_vector *v = &lane_vectors[i];
        struct hex payload = hex(v->packet), plain = hex(v->plain);

        rig_start(SW_SERVER, true);
        offer_key(v->version, 1, v->key);
        struct outcome *o = open_into(v->session, payload, plain.len);
        if (o->result != (int)plain.len) fail_msg("%s: %d", v->what, o->result);
        assert_memory_equal(o->plain, plain.data, plain.len);
        assert_int_equal(o->encoded, v->encoded);
        assert_int_equal(rig.lane->received, 1);
        o = open_into(v->session, payload, plain.len);
        assert_int_equal(o->result, SW_EREPLAY);
        assert_int_equal(rig.lane->received, 1);
        rig_end();
        free(payload.data);
        free(plain.data);
    }
}

static void test_published_packets_are_opened_by_no_other_version(void **state)
{
    (void)state;
    for (size_t i = 0; i < LANE_VECTORS; i++) {
        const struct lane_vector *v = &lane_vectors[i];
        rig_start(SW_SERVER, true);
        offer_key(3 - v->version, 1, v->key);
        assert_int_equal(open_text(v->session, v->packet), SW_EAUTH);
        assert_int_equal(rig.lane->window.high, 0);
        rig_end();
    }
}

/* The key is 00..1f, the salt of its nonces 20..23, as the rig's randomness counts. */
static void test_sealed_packets_are_these(void **state)
{
    (void)state;
    static const char *const datagrams[] = {
        [1] = "4865 0103 00 01 0000 " RIG_SESSION " 0000000000000001 20212223 0000000000000001"
              "1b5fa388f1bf173e219390cc99b47bc5 001c 0000"
              "2c8f3baa566005da46cade865b41755b540357d5cc7c9fa756264031",
        [2] = "4865 0103 00 01 0000 " RIG_SESSION " 0000000000000001 20212223 0000000000000001"
              "7ca0b6a66ae678ef976129b2c205f3a2 001c 0000"
              "2c8f3baa566005da46cade865b41755b540357d5cc7c9fa756264031",
    };
    struct hex plain = hex(LANE_ECHO);

    for (uint8_t version = 1; version <= 2; version++) {
        struct hex expected = hex(datagrams[version]);
        assert_int_equal(sw_lane_datagram_len(plain.len), expected.len);
        rig_active(version);
        uint8_t *out = malloc(expected.len);
        assert_non_null(out);
        seal_into(out, plain.data, plain.len);
        assert_memory_equal(out, expected.data, expected.len);
        assert_int_equal(rig.lane->sent, 1);
        free(out);
        rig_end();
        free(expected.data);
    }
    free(plain.data);
}

/* --- sealing -----------------------------------------------------------------------------------*/

/* The peer's half of a lane: opens what the rig's connection seals, without its code. */
static void assert_opens(const uint8_t *datagram, size_t len, const uint8_t *plain)
{
    uint8_t aad[18];
    uint8_t *out = malloc(len);
    const struct sw_aead_packet packet = {datagram + 24, aad, rig.lane->version == 1 ? 16 : 18};
    struct sw_aead_key *key = sw_aead_key_new(rig.engine->aead, rig.lane->self.bytes);

    assert_non_null(out);
    memcpy(aad, datagram + 8, 16); /* session and counter */
    memcpy(aad + 16, datagram + 54, 2);
    assert_int_equal(sw_get_be16(datagram + 52), len);
    assert_int_equal(
        sw_aead_open(rig.engine->aead, key, &packet, datagram + 56, len, datagram + 36, out), 0);
    assert_memory_equal(out, plain, len);
    sw_aead_key_free(rig.engine->aead, key);
    free(out);
}

static void test_the_longest_packet_makes_the_round_trip(void **state)
{
    (void)state;
    static uint8_t plain[PLAIN_MAX], datagram[SW_HEADER_LEN + SW_LANE_HEADER_LEN + PLAIN_MAX];

    rig_active(2);
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 7 + i / 256);
    seal_into(datagram, plain, sizeof plain);
    assert_opens(datagram, sizeof plain, plain);

    /* and back: the peer has our key */
    struct sw_frame_expresslane offer = {.version = 2, .enabled = true, .counter = 2};
    memcpy(offer.key, rig.lane->self.bytes, sizeof offer.key);
    sw_expresslane_config(rig.conn, &offer);
    struct hex payload = {datagram + SW_HEADER_LEN, sizeof datagram - SW_HEADER_LEN};
    assert_int_equal(open_into(RIG_SESSION, payload, sizeof plain - 1)->result, SW_EOVERSIZE);
    struct outcome *o = open_into(RIG_SESSION, payload, sizeof plain);
    assert_int_equal(o->result, sizeof plain);
    assert_memory_equal(o->plain, plain, sizeof plain);
    rig_end();
}

static void test_counters_and_nonces_never_repeat(void **state)
{
    (void)state;
    uint8_t datagram[SW_HEADER_LEN + SW_LANE_HEADER_LEN + 20];
    static const uint8_t plain[20] = {0x45};
    uint32_t salt = 0;

    rig_active(2);
    for (uint64_t counter = 1; counter <= 1000; counter++) {
        if (counter % 100 == 0) { /* a new key, a new session id: the counter goes on */
            rig_wait(15 * SW_MINUTE + 1);
            sw_expresslane_rotate(rig.conn);
            rig_ack(2, rig.lane->exchange);
            assert_int_not_equal(rig.lane->self.salt, salt);
            rig.conn->rotation.bytes[0] = (uint8_t)(counter / 100);
        }
        salt = rig.lane->self.salt;
        seal_into(datagram, plain, sizeof plain);
        assert_int_equal(sw_get_be64(datagram + 16), counter);
        assert_memory_equal(datagram + 24, &salt, sizeof salt);
        assert_int_equal(sw_get_be64(datagram + 28), counter);
        assert_opens(datagram, sizeof plain, plain);
    }
    assert_int_equal(rig.lane->exchange, 11);
    rig_end();
}

static void test_an_announced_session_id_is_used_at_once(void **state)
{
    (void)state;
    uint8_t datagram[SW_HEADER_LEN + SW_LANE_HEADER_LEN];

    rig_active(2);
    rig_bytes(rig.conn->rotation.bytes, 8, "ab*8");
    sw_expresslane_seal(rig.conn, datagram, 0, false);
    for (int i = 8; i < 16; i++)
        assert_int_equal(datagram[i], 0xab);
    assert_opens(datagram, 0, datagram);
    rig_end();
}

/* --- opening -----------------------------------------------------------------------------------*/

static void test_what_is_too_short_is_refused(void **state)
{
    (void)state;
    rig_active(2);
    struct hex payload = sealed(&(struct peer_packet){2, 0x5a, 1, 0, "45 00*19"});
    for (size_t len = 0; len < payload.len; len++)
        assert_int_equal(open_payload((struct hex){payload.data, len}), SW_ESHORT);
    assert_int_equal(rig.lane->window.high, 0);
    assert_int_equal(open_payload(payload), 20);
    free(payload.data);
    rig_end();
}

static void test_what_follows_the_packet_is_ignored(void **state)
{
    (void)state;
    rig_active(2);
    struct hex payload = sealed(&(struct peer_packet){2, 0x5a, 1, 0, "45 00*19"});
    payload.data = realloc(payload.data, payload.len + 100);
    assert_non_null(payload.data);
    memset(payload.data + payload.len, 0xff, 100);
    payload.len += 100;
    assert_int_equal(open_payload(payload), 20);
    free(payload.data);
    rig_end();
}

static void test_every_bit_that_counts_is_authenticated(void **state)
{
    (void)state;
    for (uint8_t version = 1; version <= 2; version++) {
        rig_active(version);
        struct hex payload = sealed(&(struct peer_packet){version, 0x5a, 1, 0x8000, "45 00*19"});
        for (size_t bit = 0; bit < 8 * payload.len; bit++) {
            const size_t byte = bit / 8;
            if (byte == 36 || byte == 37) continue; /* the length, below */
            if (version == 1 && (byte == 38 || byte == 39)) continue;
            payload.data[byte] ^= (uint8_t)(1 << bit % 8);
            const int r = open_payload(payload);
            if (r != (byte < 8 && sw_get_be64(payload.data) == 0 ? SW_EREPLAY : SW_EAUTH))
                fail_msg("V%d: bit %zu: %d", version, bit, r);
            payload.data[byte] ^= (uint8_t)(1 << bit % 8);
        }
        for (uint16_t len = 0; len < 20; len++) {
            sw_put_be16(payload.data + 36, len);
            assert_int_equal(open_payload(payload), SW_EAUTH);
        }
        sw_put_be16(payload.data + 36, 20);
        assert_int_equal(open_into("0102030405060709", payload, 20)->result, SW_EAUTH);
        assert_int_equal(rig.lane->window.high, 0);
        assert_int_equal(rig.lane->received, 0);
        assert_int_equal(open_payload(payload), 20);
        free(payload.data);
        rig_end();
    }
}

static void test_flags_are_authenticated_from_version_2_on(void **state)
{
    (void)state;
    rig_active(1);
    struct hex payload = sealed(&(struct peer_packet){1, 0x5a, 1, 0, "45 00*19"});
    sw_put_be16(payload.data + 38, 0xffff);
    struct outcome *o = open_into(RIG_SESSION, payload, 20);
    assert_int_equal(o->result, 20);
    assert_true(o->encoded);
    free(payload.data);
    rig_end();

    rig_active(2); /* reserved bits may be anything */
    for (uint16_t i = 0; i < 16; i++) {
        const uint16_t flags = (uint16_t)(1 << i);
        payload = sealed(&(struct peer_packet){2, 0x5a, 1u + i, flags, "45 00*19"});
        o = open_into(RIG_SESSION, payload, 20);
        assert_int_equal(o->result, 20);
        assert_int_equal(o->encoded, i == 15);
        free(payload.data);
    }
    rig_end();
}

static void test_packets_out_of_order_are_taken_once(void **state)
{
    (void)state;
    static const uint64_t order[] = {1, 3, 5, 2, 4};
    rig_active(2);
    assert_int_equal(open_sealed(0x5a, 0), SW_EREPLAY);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(open_sealed(0x5a, order[i]), 20);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(open_sealed(0x5a, order[i]), SW_EREPLAY);
    assert_int_equal(open_sealed(0x5a, 1000000), 20);
    assert_int_equal(open_sealed(0x5a, 6), SW_EREPLAY);
    assert_int_equal(open_sealed(0x5a, 999999), 20);
    assert_int_equal(rig.lane->received, 7);
    rig_end();
}

static void test_a_forged_counter_does_not_move_the_window(void **state)
{
    (void)state;
    rig_active(2);
    assert_int_equal(open_sealed(0x5a, 1), 20);
    struct hex payload = sealed(&(struct peer_packet){2, 0x5a, 2, 0, "45 00*19"});
    sw_put_be64(payload.data, 9000000);
    assert_int_equal(open_payload(payload), SW_EAUTH);
    assert_int_equal(rig.lane->window.high, 1);
    sw_put_be64(payload.data, 2);
    assert_int_equal(open_payload(payload), 20);
    free(payload.data);
    rig_end();
}

static void test_an_active_lane_is_not_needed_to_receive(void **state)
{
    (void)state;
    rig_start(SW_SERVER, true);
    assert_int_equal(open_sealed(0x5a, 1), SW_ENOKEY);
    rig_offer(2, 1, 0x5a);
    assert_int_equal(rig.lane->state, SW_EXPRESSLANE_INACTIVE);
    assert_int_equal(open_sealed(0x5a, 1), 20);
    rig_notice(2);
    assert_int_equal(open_sealed(0x5a, 2), 20);
    rig_end();
}

/* --- keys --------------------------------------------------------------------------------------*/

static void test_the_key_before_is_good_for_a_while(void **state)
{
    (void)state;
    rig_active(2);
    rig_offer(2, 2, 0x5b);
    assert_int_equal(open_sealed(0x5a, 1), 20);
    rig_wait(60 * SW_MINUTE); /* our acknowledgement may be lost: it is kept */
    assert_int_equal(open_sealed(0x5a, 2), 20);
    assert_int_equal(open_sealed(0x5b, 3), 20); /* from now on 21 s */
    assert_int_equal(open_sealed(0x5a, 4), 20);
    rig_wait(SW_LANE_GRACE - 1);
    assert_int_equal(open_sealed(0x5b, 5), 20); /* does not prolong it */
    assert_int_equal(open_sealed(0x5a, 6), 20);
    rig_wait(1);
    assert_null(rig.lane->previous.ready);            /* at once, not when the next packet comes */
    assert_int_equal(rig.lane->previous.bytes[0], 0); /* wiped */
    assert_int_equal(open_sealed(0x5a, 7), SW_EAUTH);
    assert_int_equal(open_sealed(0x5b, 7), 20);
    rig_end();
}

static void test_the_window_is_one_for_all_keys(void **state)
{
    (void)state;
    rig_active(2);
    assert_int_equal(open_sealed(0x5a, 10), 20);
    rig_offer(2, 2, 0x5b);
    assert_int_equal(open_sealed(0x5b, 10), SW_EREPLAY);
    assert_int_equal(open_sealed(0x5b, 11), 20);
    assert_int_equal(open_sealed(0x5a, 11), SW_EREPLAY);
    assert_int_equal(open_sealed(0x5a, 9), 20);
    rig_end();
}

static void test_exactly_one_old_key_is_kept(void **state)
{
    (void)state;
    rig_active(2);
    rig_offer(2, 2, 0x5b);
    rig_offer(2, 3, 0x5c);
    assert_int_equal(open_sealed(0x5a, 1), SW_EAUTH);
    assert_int_equal(open_sealed(0x5b, 1), 20);
    assert_int_equal(open_sealed(0x5c, 2), 20);
    rig_end();
}

static void test_repeated_offers_do_not_push_the_old_key_out(void **state)
{
    (void)state;
    rig_active(2);
    for (int i = 0; i < 6; i++)
        rig_offer(2, 2, 0x5b);
    assert_int_equal(open_sealed(0x5a, 1), 20);
    assert_int_equal(open_sealed(0x5b, 2), 20);
    rig_end();
}

static void assert_forgery_refused(int error)
{
    assert_int_equal(open_text(lane_forged_session, lane_forged), error);
    assert_int_equal(open_sealed(0, 1), error);
    assert_int_equal(rig.lane->received, 0);
}

static void test_nothing_is_opened_under_the_zero_key(void **state)
{
    (void)state;
    rig_start(SW_CLIENT, true); /* never had a key */
    assert_forgery_refused(SW_ENOKEY);
    rig_offer(2, 1, 0); /* present key */
    assert_forgery_refused(SW_ENOKEY);
    rig_offer(2, 2, 0x5a); /* key before */
    assert_forgery_refused(SW_EAUTH);
    assert_int_equal(open_sealed(0x5a, 1), 20);
    rig_offer(2, 3, 0); /* with a good one before: not even that one is tried */
    assert_non_null(rig.lane->previous.ready);
    assert_int_equal(open_sealed(0x5a, 2), SW_ENOKEY);
    assert_int_equal(open_sealed(0, 2), SW_ENOKEY);
    rig_end();

    rig_start(SW_CLIENT, false); /* the lane off: offers install nothing */
    rig.engine->aead = sw_aead_new(NULL);
    rig_offer(2, 1, 0x5a);
    assert_forgery_refused(SW_ENOKEY);
    assert_int_equal(open_sealed(0x5a, 1), SW_ENOKEY);
    rig_end();
}

static void test_a_degraded_lane_still_opens(void **state)
{
    (void)state;
    rig_active(2);
    rig_wait(SW_MINUTE);
    for (int i = 0; i < 3; i++)
        sw_expresslane_pong(rig.conn, (struct sw_span){NULL, 0});
    assert_int_equal(rig.lane->state, SW_EXPRESSLANE_DEGRADED);
    const struct sw_frame_expresslane ack = {.version = 2, .ack = true, .counter = 2};
    sw_expresslane_config(rig.conn, &ack);
    assert_int_equal(open_sealed(0x5a, 1), 20);
    assert_int_equal(open_sealed(0, 2), SW_EAUTH); /* not under what it sends with now */
    rig_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_packets_are_opened_once),
        cmocka_unit_test(test_published_packets_are_opened_by_no_other_version),
        cmocka_unit_test(test_sealed_packets_are_these),
        cmocka_unit_test(test_the_longest_packet_makes_the_round_trip),
        cmocka_unit_test(test_counters_and_nonces_never_repeat),
        cmocka_unit_test(test_an_announced_session_id_is_used_at_once),
        cmocka_unit_test(test_what_is_too_short_is_refused),
        cmocka_unit_test(test_what_follows_the_packet_is_ignored),
        cmocka_unit_test(test_every_bit_that_counts_is_authenticated),
        cmocka_unit_test(test_flags_are_authenticated_from_version_2_on),
        cmocka_unit_test(test_packets_out_of_order_are_taken_once),
        cmocka_unit_test(test_a_forged_counter_does_not_move_the_window),
        cmocka_unit_test(test_an_active_lane_is_not_needed_to_receive),
        cmocka_unit_test(test_the_key_before_is_good_for_a_while),
        cmocka_unit_test(test_the_window_is_one_for_all_keys),
        cmocka_unit_test(test_exactly_one_old_key_is_kept),
        cmocka_unit_test(test_repeated_offers_do_not_push_the_old_key_out),
        cmocka_unit_test(test_nothing_is_opened_under_the_zero_key),
        cmocka_unit_test(test_a_degraded_lane_still_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
