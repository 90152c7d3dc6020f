/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Which sequences of readings give the lane up (docs/protocol/expresslane.md §10, §19). A window is
 * written as what each end sent since the last pong and what of it arrived.
 */

#include "lib/engine/lane_health.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct watch {
    struct sw_lane_health health;
    struct sw_lane_reading own, peer; /**< totals */
};

struct window {
    uint64_t out, out_arrived, in, in_arrived;
};

static const struct window good = {100, 100, 100, 100};
static const struct window idle = {0, 0, 0, 0};
static const struct window bad_out = {100, 10, 100, 100};
static const struct window bad_in = {100, 100, 100, 10};
static const struct window bad_both = {100, 10, 100, 10};

static void pass(struct watch *w, const struct window *window)
{
    w->own.sent += window->out;
    w->peer.received += window->out_arrived;
    w->peer.sent += window->in;
    w->own.received += window->in_arrived;
}

static bool degrades(struct watch *w, struct window window)
{
    pass(w, &window);
    return sw_lane_evaluate(&w->health, &w->own, &w->peer) == SW_LANE_DEGRADE;
}

/** Windows by letter: g good, b bad outwards, i bad inwards, z idle. The number of the first one
 * (from 1) that gives the lane up, or 0. */
static unsigned first_to_degrade(const char *windows)
{
    struct watch w = {0};

    for (unsigned n = 1; windows[n - 1] != '\0'; n++) {
        const char c = windows[n - 1];
        if (degrades(&w, c == 'b' ? bad_out : c == 'i' ? bad_in : c == 'z' ? idle : good)) return n;
    }
    return 0;
}

static void test_strike_sequences(void **state)
{
    (void)state;
    static const struct {
        const char *windows;
        unsigned degrades;
    } sequences[] = {
        {"gggggggg", 0},  {"zzzzzzzz", 0},
        {"b", 0},         {"bb", 0},
        {"bbb", 3},       {"iii", 3},
        {"bbggbb", 0},    {"bgbgbgbgbgbgbgbg", 0}, /* a good window drains one strike */
        {"bbgbbgbbg", 5},                          /* two of three bad: caught all the same */
        {"iigiig", 5},    {"bbzbb", 5},            /* an idle window is a good one */
        {"bbzzbb", 0},    {"gggggggggbbb", 12},    /* nothing is saved up */
        {"bibibibi", 0}, /* every direction has its own strikes and drains them itself */
    };
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
        const unsigned n = first_to_degrade(sequences[i].windows);
        if (n != sequences[i].degrades) fail_msg("%s: at %u", sequences[i].windows, n);
    }
}

/* Bad or not shows in the strikes. */
static bool is_bad(uint64_t sent, uint64_t arrived)
{
    struct watch w = {0};
    assert_false(degrades(&w, (struct window){.out = sent, .out_arrived = arrived}));
    assert_int_equal(w.health.strikes_in, 0);
    return w.health.strikes_out == 1;
}

static void test_window_is_bad_when_more_than_half_of_ten_or_more_are_lost(void **state)
{
    (void)state;
    assert_false(is_bad(9, 0));
    assert_true(is_bad(10, 0));
    assert_true(is_bad(10, 4));
    assert_false(is_bad(10, 5));
    assert_true(is_bad(11, 5));
    assert_false(is_bad(11, 6));
    assert_false(is_bad(1000000, 500000));
    assert_true(is_bad(1000000, 499999));
    assert_true(is_bad((uint64_t)1 << 63, 1));
    assert_false(is_bad(10, 11)); /* late ones of the window before */
    assert_false(is_bad(10, 1000000));
}

static void test_inbound_is_judged_first(void **state)
{
    (void)state;
    struct watch w = {0};
    assert_false(degrades(&w, bad_both));
    assert_false(degrades(&w, bad_both));
    assert_int_equal(w.health.strikes_out, 2);
    assert_true(degrades(&w, bad_both));
    assert_int_equal(w.health.strikes_in, 3);
    assert_int_equal(w.health.strikes_out, 2); /* not looked at */
}

static void test_strikes_saturate(void **state)
{
    (void)state;
    struct watch w = {0};
    for (int i = 0; i < 300; i++)
        assert_int_equal(degrades(&w, bad_in), i >= 2);
    assert_int_equal(w.health.strikes_in, 255);
    for (int i = 0; i < 253; i++)
        assert_false(degrades(&w, good));
    assert_int_equal(w.health.strikes_in, 2);
    assert_true(degrades(&w, bad_in));
}

static void test_first_window_begins_with_the_connection(void **state)
{
    (void)state;
    struct watch w = {0};
    assert_false(degrades(&w, (struct window){.in = 20, .in_arrived = 0}));
    assert_int_equal(w.health.strikes_in, 1);
}

static void test_a_total_that_shrinks_counts_as_loss(void **state)
{
    (void)state;
    struct watch w = {0};
    assert_false(degrades(&w, good));
    w.peer = (struct sw_lane_reading){0, 0}; /* it started over */
    assert_false(degrades(&w, good));
    assert_int_equal(w.health.strikes_in, 0); /* it sent as much as before the reset */
    w.peer.sent = 50;
    assert_false(degrades(&w, idle));
    assert_int_equal(w.health.strikes_in, 1);
    assert_false(degrades(&w, good)); /* compared with the new total */
    assert_int_equal(w.health.strikes_in, 0);
}

static void test_three_pongs_without_counters_in_a_row_degrade(void **state)
{
    (void)state;
    struct watch w = {0};
    for (int round = 0; round < 5; round++) {
        assert_int_equal(sw_lane_peer_missing(&w.health), SW_LANE_HEALTHY);
        assert_int_equal(sw_lane_peer_missing(&w.health), SW_LANE_HEALTHY);
        assert_false(degrades(&w, good));
    }
    assert_int_equal(sw_lane_peer_missing(&w.health), SW_LANE_HEALTHY);
    assert_int_equal(sw_lane_peer_missing(&w.health), SW_LANE_HEALTHY);
    assert_int_equal(sw_lane_peer_missing(&w.health), SW_LANE_DEGRADE);
}

static enum sw_lane_verdict cannot_read(struct watch *w)
{
    return sw_lane_evaluate(&w->health, NULL, &w->peer);
}

static void test_three_own_readings_missing_in_a_row_degrade(void **state)
{
    (void)state;
    struct watch w = {0};
    for (int round = 0; round < 5; round++) {
        assert_int_equal(cannot_read(&w), SW_LANE_HEALTHY);
        assert_int_equal(cannot_read(&w), SW_LANE_HEALTHY);
        assert_false(degrades(&w, good));
    }
    assert_int_equal(cannot_read(&w), SW_LANE_HEALTHY);
    assert_int_equal(cannot_read(&w), SW_LANE_HEALTHY);
    assert_int_equal(cannot_read(&w), SW_LANE_DEGRADE);
}

static void test_counters_of_the_peer_count_even_if_ours_are_missing(void **state)
{
    (void)state;
    struct watch w = {0};
    sw_lane_peer_missing(&w.health);
    sw_lane_peer_missing(&w.health);
    assert_int_equal(cannot_read(&w), SW_LANE_HEALTHY);
    assert_int_equal(sw_lane_peer_missing(&w.health), SW_LANE_HEALTHY);
}

static void test_a_window_with_a_missing_reading_joins_the_next(void **state)
{
    (void)state;
    struct watch w = {0};
    assert_false(degrades(&w, good));
    const struct sw_lane_health before = w.health;
    pass(&w, &bad_out);
    assert_int_equal(cannot_read(&w), SW_LANE_HEALTHY);
    assert_memory_equal(&w.health.own, &before.own, sizeof before.own);
    assert_memory_equal(&w.health.peer, &before.peer, sizeof before.peer);
    assert_false(degrades(&w, (struct window){.out = 50, .out_arrived = 50}));
    assert_int_equal(w.health.strikes_out, 1); /* 60 of 150 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strike_sequences),
        cmocka_unit_test(test_window_is_bad_when_more_than_half_of_ten_or_more_are_lost),
        cmocka_unit_test(test_inbound_is_judged_first),
        cmocka_unit_test(test_strikes_saturate),
        cmocka_unit_test(test_first_window_begins_with_the_connection),
        cmocka_unit_test(test_a_total_that_shrinks_counts_as_loss),
        cmocka_unit_test(test_three_pongs_without_counters_in_a_row_degrade),
        cmocka_unit_test(test_three_own_readings_missing_in_a_row_degrade),
        cmocka_unit_test(test_counters_of_the_peer_count_even_if_ours_are_missing),
        cmocka_unit_test(test_a_window_with_a_missing_reading_joins_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
