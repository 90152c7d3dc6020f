/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What a connection reports of its lane, what it makes of the answers, and how it gives the lane up
 * (docs/protocol/expresslane.md §10, §13, R14). The arithmetic behind it has test_lane_health.c.
 */

#include "tests/unit/lane_rig.h"

static void test_a_reading_is_sent_while_the_lane_is_in_use(void **state)
{
    (void)state;
    uint8_t reading[SW_LANE_READING_LEN];
    struct hex expected = hex("02 0000 0010 00000000000003e8 0000000000000384");
    struct sw_frame ping = {.kind = SW_FRAME_PING, .ping = {.payload = {reading, sizeof reading}}};
    uint8_t bytes[64];
    struct sw_writer w = sw_writer(bytes, sizeof bytes);

    rig_start(SW_CLIENT, true);
    assert_false(sw_expresslane_reading(rig.conn, reading));
    rig_end();
    rig_active(2);
    rig.lane->sent = 1000;
    rig.lane->received = 900;
    assert_true(sw_expresslane_reading(rig.conn, reading));
    assert_int_equal(sw_frame_encode(&w, &ping), 0);
    assert_int_equal(sw_writer_len(&w), expected.len);
    assert_memory_equal(bytes, expected.data, expected.len);

    rig.engine->config.callbacks = &rig_provider_callbacks;
    rig.stats = (struct sw_expresslane_stats){.sent_packets = 258, .received_packets = 3};
    assert_true(sw_expresslane_reading(rig.conn, reading));
    assert_int_equal(reading[6], 1);
    assert_int_equal(reading[7], 2);
    assert_int_equal(reading[15], 3);
    rig.stats_error = SW_EAGAIN;
    assert_false(sw_expresslane_reading(rig.conn, reading));
    rig_notice(2);
    rig.stats_error = 0;
    assert_false(sw_expresslane_reading(rig.conn, reading));
    free(expected.data);
    rig_end();
}

static void test_three_bad_windows_degrade(void **state)
{
    (void)state;
    rig_active(2);
    rig.lane->received = 1000;
    rig_pong("00000000000003e8 0000000000000000");
    rig.lane->sent = 100;
    rig_pong("00000000000003e8 0000000000000031"); /* 49 of 100 */
    rig.lane->sent = 200;
    rig_pong("00000000000003e8 0000000000000062");
    assert_state(SW_EXPRESSLANE_ACTIVE);
    assert_int_equal(rig.engine->counters.expresslane_degraded, 0);
    rig.lane->sent = 300;
    rig_pong("00000000000003e8 0000000000000093");
    assert_state(SW_EXPRESSLANE_DEGRADED);
    assert_int_equal(rig.engine->counters.expresslane_degraded, 1);
    rig_end();
}

static void test_pongs_without_a_reading_are_excused_at_first(void **state)
{
    (void)state;
    rig_active(2);
    for (int i = 0; i < 10; i++) {
        rig_pong("");
        rig_wait(SW_SECOND);
    }
    assert_int_equal(rig.lane->health.missing_peer, 0);
    rig_wait(500 * SW_MILLISECOND);
    rig_pong("");
    rig_pong("00*15");
    assert_state(SW_EXPRESSLANE_ACTIVE);
    rig_pong("00*17");
    assert_state(SW_EXPRESSLANE_DEGRADED);
    rig_end();
}

static void test_pongs_say_nothing_while_the_lane_is_not_in_use(void **state)
{
    (void)state;
    rig_active(2);
    rig_wait(SW_MINUTE);
    rig_notice(2);
    for (int i = 0; i < 10; i++)
        rig_pong(i % 2 == 0 ? "" : "ff*16");
    assert_state(SW_EXPRESSLANE_INACTIVE);
    assert_int_equal(rig.lane->health.missing_peer + rig.lane->health.strikes_in, 0);
    rig_end();
}

/* An Active lane that has just been found to lose everything. */
static unsigned degrade(void)
{
    rig_active(2);
    rig_wait(SW_MINUTE);
    const unsigned before = rig.sent_count;
    for (int i = 0; i < 3; i++)
        rig_pong("");
    assert_state(SW_EXPRESSLANE_DEGRADED);
    return before;
}

static void test_a_degraded_lane_says_so_and_drops_its_key_when_told_that_it_was_heard(void **state)
{
    (void)state;
    const unsigned notice = degrade();
    assert_int_equal(rig.sent_count, notice + 1);
    assert_frame_bytes(&rig.sent[notice], "14 02 00 0000 0000000000000002 00*32");
    assert_false(sw_expresslane_ready(rig.lane));
    rig_wait(600 * SW_MILLISECOND);
    assert_int_equal(rig.sent_count, notice + 2);
    const struct sw_frame_expresslane ack = {.version = 2, .ack = true, .counter = 2};
    sw_expresslane_config(rig.conn, &ack);
    rig_wait(SW_MINUTE);
    assert_int_equal(rig.sent_count, notice + 2);
    assert_null(rig.lane->self.ready);
    assert_memory_equal(rig.published.self, zero_key, 32);
    assert_non_null(rig.lane->peer.ready); /* receiving goes on */
    assert_state(SW_EXPRESSLANE_DEGRADED);
    rig_end();
}

static void test_degraded_is_for_ever(void **state)
{
    (void)state;
    const unsigned notice = degrade();
    const sw_time start = rig.engine->env.now;
    const unsigned events = rig.events, publications = rig.publications;
    rig_offer(2, 2, 0x66);
    rig_notice(3);
    assert_int_equal(rig.sent_count, notice + 1); /* not even acknowledged */
    rig_wait(SW_MINUTE);
    assert_int_equal(rig.sent_count, notice + 6);
    check_retransmissions(notice, start);
    assert_int_equal(rig.engine->counters.expresslane_exchange_failed, 1);
    assert_state(SW_EXPRESSLANE_DEGRADED);
    rig_wait(SW_MINUTE * 60);
    sw_expresslane_rotate(rig.conn);
    rig_ack(2, 1); /* of the exchange before */
    for (int i = 0; i < 10; i++)
        rig_pong("");
    assert_int_equal(rig.sent_count, notice + 6);
    assert_int_equal(rig.engine->counters.expresslane_degraded, 1);
    assert_int_equal(rig.events, events);
    assert_int_equal(rig.publications, publications);
    assert_int_equal(rig.lane->peer.bytes[0], 0x5a);
    assert_state(SW_EXPRESSLANE_DEGRADED);
    rig_end();
}

static void test_degrading_forgets_an_offer_under_way(void **state)
{
    (void)state;
    rig_active(2);
    rig_wait(15 * SW_MINUTE + 1);
    sw_expresslane_rotate(rig.conn);
    assert_non_null(rig.lane->next.ready);
    for (int i = 0; i < 3; i++)
        rig_pong("");
    assert_state(SW_EXPRESSLANE_DEGRADED);
    assert_sent(rig.sent_count - 1, false, false, 2, 3);
    assert_null(rig.lane->next.ready);
    rig_ack(2, 2); /* of that offer */
    assert_int_equal(rig.lane->exchange, 3);
    rig_ack(2, 3);
    assert_null(rig.lane->self.ready);
    rig_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reading_is_sent_while_the_lane_is_in_use),
        cmocka_unit_test(test_three_bad_windows_degrade),
        cmocka_unit_test(test_pongs_without_a_reading_are_excused_at_first),
        cmocka_unit_test(test_pongs_say_nothing_while_the_lane_is_not_in_use),
        cmocka_unit_test(
            test_a_degraded_lane_says_so_and_drops_its_key_when_told_that_it_was_heard),
        cmocka_unit_test(test_degraded_is_for_ever),
        cmocka_unit_test(test_degrading_forgets_an_offer_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
