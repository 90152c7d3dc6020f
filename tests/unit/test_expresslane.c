/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The key exchange frame by frame (docs/protocol/expresslane.md §2.1, §5, §6, §17, §18.3, §19).
 * Packets are the subject of test_expresslane_data.c.
 */

#include "tests/unit/lane_rig.h"

/* --- frames ------------------------------------------------------------------------------------*/

#define COUNTING_KEY "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"

static void test_published_frames_come_out_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        struct sw_frame_expresslane config; /**< but for the key */
    } frames[] = {
        {"14 02 80 0000 0000000000000001 " COUNTING_KEY, {2, true, false, 1, {0}}},
        {"14 02 c0 0000 0000000000000001 " COUNTING_KEY, {2, true, true, 1, {0}}},
        {"14 01 c0 0000 0000000000000001 " COUNTING_KEY, {1, true, true, 1, {0}}},
        {"14 02 00 0000 0000000000000002 00*32", {2, false, false, 2, {0}}},
        {"14 02 40 0000 0000000000000002 00*32", {2, false, true, 2, {0}}},
        {"14 01 c0 0000 123456789abcdef0 " COUNTING_KEY, {1, true, true, 0x123456789abcdef0, {0}}},
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct hex bytes = hex(frames[i].bytes);
        struct sw_cursor c = sw_cursor(bytes.data, bytes.len);
        struct sw_frame frame;

        assert_int_equal(sw_frame_decode(&c, &frame), 0);
        assert_int_equal(sw_cursor_left(&c), 0);
        assert_int_equal(frame.kind, SW_FRAME_EXPRESSLANE_CONFIG);
        assert_int_equal(frame.expresslane.version, frames[i].config.version);
        assert_int_equal(frame.expresslane.enabled, frames[i].config.enabled);
        assert_int_equal(frame.expresslane.ack, frames[i].config.ack);
        assert_int_equal(frame.expresslane.counter, frames[i].config.counter);
        assert_memory_equal(frame.expresslane.key, bytes.data + 13, 32);
        assert_frame_bytes(&frame.expresslane, frames[i].bytes);
        free(bytes.data);
    }
}

/* --- the start ---------------------------------------------------------------------------------*/

static void test_a_client_offers_first(void **state)
{
    (void)state;
    rig_start(SW_CLIENT, true);
    assert_state(SW_EXPRESSLANE_INACTIVE);
    rig.next_random = 1;
    sw_expresslane_rotate(rig.conn);
    assert_int_equal(rig.sent_count, 1);
    assert_frame_bytes(&rig.sent[0],
                       "14 02 80 0000 0000000000000001"
                       "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20");
    rig_ack(2, 1);
    assert_memory_equal(rig.published.self, rig.sent[0].key, 32);
    assert_memory_equal(rig.published.peer, zero_key, 32);
    assert_state(SW_EXPRESSLANE_INACTIVE);
    assert_int_equal(rig.events, 0);

    rig_offer(2, 1, 0x5a);
    assert_int_equal(rig.sent_count, 2);
    assert_frame_bytes(&rig.sent[1], "14 02 c0 0000 0000000000000001 00*32");
    assert_state(SW_EXPRESSLANE_ACTIVE);
    assert_int_equal(rig.events, 1);
    assert_int_equal(rig.publications, 2);
    assert_int_equal(rig.published.version, 2);
    assert_int_equal(rig.published.peer[31], 0x5a);
    rig_end();
}

static void test_a_server_waits_acknowledges_and_offers(void **state)
{
    (void)state;
    rig_start(SW_SERVER, true);
    assert_state(SW_EXPRESSLANE_WAITING);
    sw_expresslane_rotate(rig.conn);
    assert_int_equal(rig.sent_count, 0);

    rig_offer(2, 1, 0x5a);
    assert_state(SW_EXPRESSLANE_INACTIVE);
    assert_int_equal(rig.sent_count, 2);
    assert_sent(0, true, true, 2, 1);
    assert_sent(1, false, true, 2, 1);
    rig_ack(2, 1);
    assert_state(SW_EXPRESSLANE_ACTIVE);
    assert_int_equal(rig.events, 2);
    rig_end();
}

static void test_it_takes_udp_version_1_3_and_the_option(void **state)
{
    (void)state;
    rig_start(SW_CLIENT, false);
    assert_state(SW_EXPRESSLANE_DISABLED);
    rig_end();
    rig_start(SW_CLIENT, true);
    rig.conn->version = SW_VERSION(1, 2);
    sw_expresslane_init(rig.conn);
    assert_state(SW_EXPRESSLANE_DISABLED);
    rig.conn->version = SW_VERSION(1, 3);
    rig.conn->transport = SW_STREAM;
    sw_expresslane_init(rig.conn);
    assert_state(SW_EXPRESSLANE_DISABLED);
    sw_expresslane_rotate(rig.conn);
    assert_int_equal(rig.sent_count, 0);
    rig_end();
}

/* --- versions ----------------------------------------------------------------------------------*/

static const struct {
    uint8_t theirs, negotiated;
} versions[] = {{0, 2}, {1, 1}, {2, 2}, {3, 2}, {255, 2}};

static void test_version_of_every_frame_is_negotiated(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        const uint8_t theirs = versions[i].theirs, negotiated = versions[i].negotiated;

        rig_start(SW_SERVER, true); /* an offer */
        rig_offer(theirs, 1, 1);
        assert_int_equal(rig.lane->version, negotiated);
        assert_sent(0, true, true, negotiated, 1);
        assert_sent(1, false, true, negotiated, 1);
        rig_end();

        rig_start(SW_CLIENT, true); /* an acknowledgement */
        sw_expresslane_rotate(rig.conn);
        assert_sent(0, false, true, 2, 1);
        rig_ack(theirs, 1);
        assert_int_equal(rig.lane->version, negotiated);
        rig_end();

        rig_start(SW_CLIENT, true); /* a notice */
        const struct sw_frame_expresslane notice = {.version = theirs, .counter = 1};
        sw_expresslane_config(rig.conn, &notice);
        assert_int_equal(rig.lane->version, negotiated);
        assert_sent(0, true, false, negotiated, 1);
        rig_end();

        rig_start(SW_CLIENT, false); /* with the lane off */
        rig_offer(theirs, 1, 1);
        assert_sent(0, true, true, negotiated, 1);
        rig_end();
    }
}

static void test_version_stays_once_a_packet_was_sealed(void **state)
{
    (void)state;
    for (uint8_t version = 1; version <= 2; version++) {
        uint8_t out[SW_HEADER_LEN + SW_LANE_HEADER_LEN];
        rig_active(version);
        rig_offer(3 - version, 2, 7); /* nothing sealed yet */
        assert_int_equal(rig.lane->version, 3 - version);
        rig_offer(version, 3, 8);
        assert_int_equal(rig.lane->version, version);
        sw_expresslane_seal(rig.conn, out, 0, false);
        rig_offer(3 - version, 4, 9);
        rig_ack(3 - version, 1);
        assert_int_equal(rig.lane->version, version);
        assert_int_equal(rig.lane->peer.bytes[0], 9); /* the key counts all the same */
        rig_end();
    }
}

/* --- waiting -----------------------------------------------------------------------------------*/

static void test_an_offer_is_repeated_five_times_then_given_up(void **state)
{
    (void)state;
    rig_start(SW_CLIENT, true);
    const sw_time start = rig.engine->env.now;
    sw_expresslane_rotate(rig.conn);
    rig_wait(10500 * SW_MILLISECOND - 1);
    assert_int_equal(rig.sent_count, 6);
    check_retransmissions(0, start);
    assert_int_equal(rig.engine->counters.expresslane_exchange_failed, 0);
    rig_wait(1);
    assert_int_equal(rig.engine->counters.expresslane_exchange_failed, 1);
    rig_wait(SW_MINUTE);
    assert_int_equal(rig.sent_count, 6);
    assert_int_equal(rig.conn->timers[SW_TIMER_EXPRESSLANE], SW_NEVER);
    rig_end();
}

static void test_an_acknowledgement_ends_the_repetition(void **state)
{
    (void)state;
    for (unsigned repetitions = 0; repetitions <= 5; repetitions++) {
        rig_start(SW_CLIENT, true);
        sw_expresslane_rotate(rig.conn);
        while (rig.sent_count < 1 + repetitions)
            rig_wait(100 * SW_MILLISECOND);
        rig_ack(2, 1);
        assert_non_null(rig.lane->self.ready);
        rig_wait(SW_MINUTE);
        assert_int_equal(rig.sent_count, 1 + repetitions);
        assert_int_equal(rig.engine->counters.expresslane_exchange_failed, 0);
        rig_end();
    }
}

static void test_only_the_present_exchange_is_acknowledged_and_once(void **state)
{
    (void)state;
    rig_start(SW_CLIENT, true);
    rig_ack(2, 0); /* of nothing */
    sw_expresslane_rotate(rig.conn);
    rig_ack(2, 0);
    rig_ack(2, 2);
    assert_null(rig.lane->self.ready);
    assert_int_equal(rig.publications, 0);
    rig_ack(2, 1);
    const struct sw_aead_key *key = rig.lane->self.ready;
    assert_non_null(key);
    assert_memory_equal(rig.lane->offer.key, zero_key, 32); /* no copy is left */
    rig_ack(2, 1);
    assert_ptr_equal(rig.lane->self.ready, key);
    assert_int_equal(rig.publications, 1);
    rig_end();
}

static void test_every_exchange_has_all_its_repetitions(void **state)
{
    (void)state;
    rig_start(SW_CLIENT, true);
    sw_expresslane_rotate(rig.conn);
    rig_wait(8 * SW_SECOND); /* all five gone, not yet given up */
    assert_int_equal(rig.sent_count, 6);
    rig_ack(2, 1);
    rig_wait(15 * SW_MINUTE);
    const sw_time start = rig.engine->env.now;
    sw_expresslane_rotate(rig.conn);
    assert_int_equal(rig.sent[6].counter, 2);
    rig_wait(SW_MINUTE);
    assert_int_equal(rig.sent_count, 12);
    check_retransmissions(6, start);
    rig_end();
}

static void test_a_late_acknowledgement_still_counts(void **state)
{
    (void)state;
    rig_start(SW_CLIENT, true);
    sw_expresslane_rotate(rig.conn);
    rig_offer(2, 1, 0x5a);
    rig_wait(11 * SW_SECOND);
    assert_int_equal(rig.engine->counters.expresslane_exchange_failed, 1);
    assert_state(SW_EXPRESSLANE_INACTIVE);
    rig_ack(2, 1);
    assert_state(SW_EXPRESSLANE_ACTIVE);
    rig_end();
}

/* --- rotation ----------------------------------------------------------------------------------*/

static void test_keys_rotate_when_the_interval_is_over_and_traffic_comes(void **state)
{
    (void)state;
    rig_active(2);
    const unsigned before = rig.sent_count;
    rig_wait(15 * SW_MINUTE);
    sw_expresslane_rotate(rig.conn); /* exactly: not yet */
    assert_int_equal(rig.sent_count, before);
    rig_wait(1);
    assert_int_equal(rig.sent_count, before); /* by itself it does not happen */
    const struct sw_aead_key *old = rig.lane->self.ready;
    sw_expresslane_rotate(rig.conn);
    sw_expresslane_rotate(rig.conn);
    assert_int_equal(rig.sent_count, before + 1);
    assert_sent(before, false, true, 2, 2);
    assert_ptr_equal(rig.lane->self.ready, old); /* in use until the new one is acknowledged */
    assert_state(SW_EXPRESSLANE_ACTIVE);
    rig_ack(2, 2);
    assert_memory_equal(rig.lane->self.bytes, rig.sent[before].key, 32);
    rig_end();
}

static void test_an_offer_of_the_peer_makes_us_rotate_too(void **state)
{
    (void)state;
    rig_active(2);
    const unsigned before = rig.sent_count;
    rig_wait(15 * SW_MINUTE + 1);
    rig_offer(2, 2, 0x5b);
    assert_int_equal(rig.sent_count, before + 2);
    assert_sent(before, true, true, 2, 2);
    assert_sent(before + 1, false, true, 2, 2);
    rig_end();
}

static void test_keys_rotate_after_very_many_packets(void **state)
{
    (void)state;
    rig_active(2);
    const unsigned before = rig.sent_count;
    rig.lane->self.sealed = ((uint64_t)1 << 24) - 1;
    sw_expresslane_rotate(rig.conn);
    assert_int_equal(rig.sent_count, before);
    rig.lane->self.sealed++;
    sw_expresslane_rotate(rig.conn);
    sw_expresslane_rotate(rig.conn);
    assert_int_equal(rig.sent_count, before + 1);
    rig_ack(2, 2);
    assert_int_equal(rig.lane->self.sealed, 0);
    sw_expresslane_rotate(rig.conn);
    assert_int_equal(rig.sent_count, before + 1);
    rig_end();
}

static void test_an_exchange_is_finished_before_the_next_begins(void **state)
{
    (void)state;
    rig_start(SW_CLIENT, true);
    rig.engine->config.expresslane_rotation = SW_SECOND;
    sw_expresslane_rotate(rig.conn);
    for (int i = 0; i < 105; i++) {
        rig_wait(100 * SW_MILLISECOND);
        sw_expresslane_rotate(rig.conn);
    }
    assert_int_equal(rig.sent_count, 6);
    assert_int_equal(rig.lane->exchange, 1);
    assert_int_equal(rig.engine->counters.expresslane_exchange_failed, 1);
    rig_end();
}

/* --- R1: what the peer repeats -----------------------------------------------------------------*/

static void test_a_repeated_offer_is_only_acknowledged(void **state)
{
    (void)state;
    rig_active(2);
    rig_offer(2, 2, 0x5b);
    const unsigned before = rig.sent_count, publications = rig.publications;
    const struct sw_aead_key *current = rig.lane->peer.ready, *previous = rig.lane->previous.ready;
    for (int i = 0; i < 3; i++)
        rig_offer(2, 2, 0x5b);
    assert_int_equal(rig.sent_count, before + 3);
    for (unsigned i = 0; i < 3; i++)
        assert_sent(before + i, true, true, 2, 2);
    assert_ptr_equal(rig.lane->peer.ready, current);
    assert_ptr_equal(rig.lane->previous.ready, previous); /* the grace key is not lost */
    assert_int_equal(rig.lane->previous.bytes[0], 0x5a);
    assert_int_equal(rig.publications, publications);
    rig_end();
}

static void test_an_old_offer_is_ignored(void **state)
{
    (void)state;
    rig_active(2);
    rig_offer(2, 7, 0x5b);
    const unsigned before = rig.sent_count;
    for (uint64_t counter = 0; counter < 7; counter++) {
        rig_offer(2, counter, 0x66);
        rig_notice(counter);
    }
    rig_offer(2, 7, 0x66); /* the same number, another key */
    assert_int_equal(rig.sent_count, before);
    assert_int_equal(rig.lane->peer.bytes[0], 0x5b);
    assert_int_equal(rig.lane->previous.bytes[0], 0x5a);
    assert_state(SW_EXPRESSLANE_ACTIVE);
    rig_end();
}

static void test_exchanges_begin_with_one(void **state)
{
    (void)state;
    rig_start(SW_CLIENT, true);
    rig_notice(0);
    rig_offer(2, 0, 0);
    rig_offer(2, 0, 0x5a);
    assert_int_equal(rig.sent_count, 0);
    assert_null(rig.lane->peer.ready);
    rig_end();
}

/* --- R2, R3: peers that do not want it
 * ----------------------------------------------------------*/

/* How long after giving up the next offer goes out, with traffic all the time. */
static sw_time patience(void)
{
    const unsigned failed = (unsigned)rig.engine->counters.expresslane_exchange_failed;
    while (rig.engine->counters.expresslane_exchange_failed == failed)
        rig_wait(100 * SW_MILLISECOND);
    const unsigned before = rig.sent_count;
    const sw_time start = rig.engine->env.now;
    while (rig.sent_count == before) {
        rig_wait(100 * SW_MILLISECOND);
        sw_expresslane_rotate(rig.conn);
    }
    rig.sent_count = 0;
    return rig.engine->env.now - start;
}

static void test_a_silent_peer_is_asked_less_and_less_often(void **state)
{
    (void)state;
    static const sw_time intervals[] = {15 * SW_MINUTE, SW_SECOND};
    for (int i = 0; i < 2; i++) {
        rig_start(SW_CLIENT, true);
        rig.engine->config.expresslane_rotation = intervals[i];
        sw_expresslane_rotate(rig.conn);
        assert_true(patience() == 10500 * SW_MILLISECOND);
        assert_true(patience() == 30 * SW_SECOND);
        assert_true(patience() == 2 * SW_MINUTE);
        for (int n = 0; n < 3; n++)
            assert_true(patience() == (i == 0 ? 15 * SW_MINUTE : 2 * SW_MINUTE));
        assert_int_equal(rig.lane->exchange, 7);
        rig_ack(2, 7); /* there it is */
        rig_wait(intervals[i] + 1);
        sw_expresslane_rotate(rig.conn);
        assert_int_equal(rig.lane->exchange, 8);
        assert_true(patience() == 10500 * SW_MILLISECOND);
        rig_end();
    }
}

static void test_an_offer_of_the_peer_ends_our_patience(void **state)
{
    (void)state;
    rig_start(SW_SERVER, true);
    rig_offer(2, 1, 0x5a);
    rig_wait(11 * SW_SECOND); /* no acknowledgement came */
    assert_int_equal(rig.engine->counters.expresslane_exchange_failed, 1);
    sw_expresslane_rotate(rig.conn);
    assert_int_equal(rig.lane->exchange, 1);
    rig_offer(2, 1, 0x5a); /* only a late copy */
    assert_int_equal(rig.lane->exchange, 1);
    rig_offer(2, 2, 0x5b);
    assert_int_equal(rig.lane->exchange, 2);
    assert_false(rig_last()->ack);
    rig_ack(2, 2);
    assert_state(SW_EXPRESSLANE_ACTIVE);
    rig_end();
}

static void test_after_a_notice_nothing_is_offered(void **state)
{
    (void)state;
    rig_active(2);
    const struct sw_aead_key *key = rig.lane->peer.ready;
    rig_wait(16 * SW_MINUTE);
    sw_expresslane_rotate(rig.conn); /* under way when the notice comes */
    unsigned before = rig.sent_count;
    rig_notice(2);
    assert_state(SW_EXPRESSLANE_INACTIVE);
    assert_int_equal(rig.sent_count, before + 1);
    assert_sent(before, true, false, 2, 2);
    rig_notice(2); /* our acknowledgement was lost */
    assert_int_equal(rig.sent_count, before + 2);
    assert_sent(before + 1, true, false, 2, 2);
    for (int i = 0; i < 200; i++) {
        rig_wait(10 * SW_SECOND);
        sw_expresslane_rotate(rig.conn);
    }
    assert_int_equal(rig.sent_count, before + 2);
    assert_int_equal(rig.engine->counters.expresslane_exchange_failed, 0);
    assert_ptr_equal(rig.lane->peer.ready, key); /* what is still under way is opened */
    rig_end();
}

static void test_an_offer_after_a_notice_starts_over(void **state)
{
    (void)state;
    rig_active(2);
    rig_notice(2);
    const unsigned before = rig.sent_count;
    rig_offer(2, 3, 0x5c);
    assert_state(SW_EXPRESSLANE_ACTIVE);
    assert_int_equal(rig.sent_count, before + 2);
    assert_sent(before, true, true, 2, 3);
    assert_sent(before + 1, false, true, 2, 2);
    rig_end();
}

static void test_a_late_acknowledgement_does_not_undo_a_notice(void **state)
{
    (void)state;
    rig_start(SW_CLIENT, true);
    sw_expresslane_rotate(rig.conn);
    rig_offer(2, 1, 0x5a);
    rig_notice(2);
    rig_ack(2, 1);
    assert_non_null(rig.lane->self.ready);
    assert_state(SW_EXPRESSLANE_INACTIVE);
    assert_false(sw_expresslane_ready(rig.lane));
    rig_end();
}

/* --- R5: the lane off
 * ---------------------------------------------------------------------------*/

static void test_with_the_lane_off_offers_are_acknowledged_and_nothing_else(void **state)
{
    (void)state;
    for (enum sw_role role = SW_CLIENT; role <= SW_SERVER; role++) {
        rig_start(role, false);
        rig_offer(2, 5, 0x5a);
        assert_int_equal(rig.sent_count, 1);
        assert_sent(0, true, true, 2, 5);
        rig_notice(6);
        rig_ack(2, 1);
        sw_expresslane_rotate(rig.conn);
        rig_wait(SW_MINUTE);
        assert_int_equal(rig.sent_count, 1);
        assert_state(SW_EXPRESSLANE_DISABLED);
        assert_int_equal(rig.events + rig.publications, 0);
        assert_null(rig.lane->peer.ready);
        assert_memory_equal(rig.lane->peer.bytes, zero_key, 32);
        rig_end();
    }
}

/* --- the zero key ------------------------------------------------------------------------------*/

static void test_the_zero_key_makes_no_lane(void **state)
{
    (void)state;
    rig_start(SW_CLIENT, true);
    sw_expresslane_rotate(rig.conn);
    rig_ack(2, 1);
    rig_offer(2, 1, 0);
    assert_sent(1, true, true, 2, 1);
    assert_state(SW_EXPRESSLANE_INACTIVE);
    assert_false(sw_expresslane_ready(rig.lane));
    rig_offer(2, 2, 0x5a);
    assert_state(SW_EXPRESSLANE_ACTIVE);
    rig_offer(2, 3, 0);
    assert_false(sw_expresslane_ready(rig.lane));
    rig_end();
}

/* --- things that go wrong ----------------------------------------------------------------------*/

static void test_an_offer_that_finds_no_memory_waits_for_its_repetition(void **state)
{
    (void)state;
    rig_active(2);
    const unsigned before = rig.sent_count;
    const struct sw_aead_key *key = rig.lane->peer.ready;
    rig_no_memory = true;
    rig_offer(2, 2, 0x5b);
    rig_no_memory = false;
    assert_int_equal(rig.sent_count, before); /* the peer goes on with the key that we have */
    assert_ptr_equal(rig.lane->peer.ready, key);
    assert_true(sw_expresslane_ready(rig.lane));
    rig_offer(2, 2, 0x5b);
    assert_sent(before, true, true, 2, 2);
    assert_int_equal(rig.lane->peer.bytes[0], 0x5b);
    assert_ptr_equal(rig.lane->previous.ready, key);
    rig_end();
}

static void test_without_memory_for_a_new_key_the_old_one_stays(void **state)
{
    (void)state;
    rig_active(2);
    const unsigned before = rig.sent_count;
    const struct sw_aead_key *key = rig.lane->self.ready;
    rig_wait(15 * SW_MINUTE + 1);
    rig_no_memory = true;
    sw_expresslane_rotate(rig.conn);
    rig_no_memory = false;
    sw_expresslane_rotate(rig.conn); /* not for every packet */
    assert_int_equal(rig.sent_count, before);
    rig_ack(2, 1);
    rig_ack(2, 2);
    assert_ptr_equal(rig.lane->self.ready, key);
    assert_true(sw_expresslane_ready(rig.lane));
    rig_wait(11 * SW_SECOND);
    sw_expresslane_rotate(rig.conn);
    assert_sent(before, false, true, 2, 2);
    rig_end();
}

/* The rig fails the test when anything is sent or reported afterwards. */
static void test_callbacks_may_close_the_connection(void **state)
{
    (void)state;
    for (int keys = 0; keys < 2; keys++) {
        rig_start(SW_SERVER, true);
        *(keys ? &rig.close_on_keys : &rig.close_on_event) = true;
        rig_offer(2, 1, 0x5a);
        assert_int_equal(rig.closed, 1);
        assert_int_equal(rig.sent_count, 0);
        rig_end();

        rig_start(SW_CLIENT, true);
        sw_expresslane_rotate(rig.conn);
        rig_offer(2, 1, 0x5a);
        *(keys ? &rig.close_on_keys : &rig.close_on_event) = true;
        rig_ack(2, 1);
        assert_int_equal(rig.closed, 1);
        rig_wait(SW_MINUTE);
        rig_end();
    }
    rig_active(2);
    rig.close_on_event = true;
    rig_notice(2);
    assert_int_equal(rig.closed, 1);
    rig_end();

    rig_active(2);
    rig_wait(SW_MINUTE);
    rig.close_on_event = true;
    for (int i = 0; i < 3; i++)
        rig_pong("");
    assert_int_equal(rig.closed, 1);
    rig_end();
}

static void test_keys_that_go_are_wiped(void **state)
{
    (void)state;
    rig_active(2);
    rig_wait(15 * SW_MINUTE + 1);
    sw_expresslane_rotate(rig.conn);
    rig_ack(2, 2);
    assert_memory_equal(rig.lane->next.bytes, zero_key, 32);
    assert_memory_equal(rig.lane->offer.key, zero_key, 32);
    sw_expresslane_release(rig.conn);
    assert_memory_equal(rig.lane->self.bytes, zero_key, 32);
    assert_memory_equal(rig.lane->peer.bytes, zero_key, 32);
    assert_null(rig.lane->self.ready);
    assert_null(rig.lane->peer.ready);
    rig_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_frames_come_out_both_ways),
        cmocka_unit_test(test_a_client_offers_first),
        cmocka_unit_test(test_a_server_waits_acknowledges_and_offers),
        cmocka_unit_test(test_it_takes_udp_version_1_3_and_the_option),
        cmocka_unit_test(test_version_of_every_frame_is_negotiated),
        cmocka_unit_test(test_version_stays_once_a_packet_was_sealed),
        cmocka_unit_test(test_an_offer_is_repeated_five_times_then_given_up),
        cmocka_unit_test(test_an_acknowledgement_ends_the_repetition),
        cmocka_unit_test(test_only_the_present_exchange_is_acknowledged_and_once),
        cmocka_unit_test(test_every_exchange_has_all_its_repetitions),
        cmocka_unit_test(test_a_late_acknowledgement_still_counts),
        cmocka_unit_test(test_keys_rotate_when_the_interval_is_over_and_traffic_comes),
        cmocka_unit_test(test_an_offer_of_the_peer_makes_us_rotate_too),
        cmocka_unit_test(test_keys_rotate_after_very_many_packets),
        cmocka_unit_test(test_an_exchange_is_finished_before_the_next_begins),
        cmocka_unit_test(test_a_repeated_offer_is_only_acknowledged),
        cmocka_unit_test(test_an_old_offer_is_ignored),
        cmocka_unit_test(test_exchanges_begin_with_one),
        cmocka_unit_test(test_a_silent_peer_is_asked_less_and_less_often),
        cmocka_unit_test(test_an_offer_of_the_peer_ends_our_patience),
        cmocka_unit_test(test_after_a_notice_nothing_is_offered),
        cmocka_unit_test(test_an_offer_after_a_notice_starts_over),
        cmocka_unit_test(test_a_late_acknowledgement_does_not_undo_a_notice),
        cmocka_unit_test(test_with_the_lane_off_offers_are_acknowledged_and_nothing_else),
        cmocka_unit_test(test_the_zero_key_makes_no_lane),
        cmocka_unit_test(test_an_offer_that_finds_no_memory_waits_for_its_repetition),
        cmocka_unit_test(test_without_memory_for_a_new_key_the_old_one_stays),
        cmocka_unit_test(test_callbacks_may_close_the_connection),
        cmocka_unit_test(test_keys_that_go_are_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
