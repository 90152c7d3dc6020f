/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The search for the path MTU: docs/protocol/session.md §19. */

#include "lib/engine/pmtud.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MAX 1419

/* A path that answers every probe it carries after a round trip, and what was asked of it. */
struct path {
    struct sw_pmtud p;
    sw_time now;
    uint16_t carries; /* the largest probe that passes */
    uint16_t link;    /* larger ones are refused by our own kernel; 0: never */
    uint16_t asked[64];
    unsigned n;
};

#define ROUND_TRIP (20 * SW_MILLISECOND)

static void start(struct path *path, uint16_t carries, uint16_t base, uint16_t max)
{
    *path = (struct path){.now = SW_SECOND, .carries = carries};
    sw_pmtud_init(&path->p, base, max);
}

/* The probe that was asked for, and all that follow from answers and refusals. */
static void follow(struct path *path, bool probe)
{
    while (probe) {
        assert_true(path->n < sizeof path->asked / sizeof path->asked[0]);
        assert_true(path->p.id != 0 && path->p.probe > 0 && path->p.probe <= path->p.max);
        path->asked[path->n++] = path->p.probe;
        if (path->link != 0 && path->p.probe > path->link) {
            probe = sw_pmtud_too_long(&path->p, path->p.probe, path->now);
        } else if (path->p.probe <= path->carries) {
            path->now += ROUND_TRIP;
            probe = sw_pmtud_pong(&path->p, path->p.id, path->now);
        } else {
            break;
        }
    }
}

static void online(struct path *path)
{
    follow(path, sw_pmtud_start(&path->p, path->now));
}

/* Lets the next deadline come. */
static void step(struct path *path)
{
    assert_true(path->p.at != SW_NEVER && path->p.at > path->now);
    path->now = path->p.at;
    follow(path, sw_pmtud_timer(&path->p, path->now));
}

static void settle(struct path *path)
{
    for (unsigned i = 0; i < 40 && path->p.state != SW_PMTUD_COMPLETE; i++)
        step(path);
    assert_int_equal(path->p.state, SW_PMTUD_COMPLETE);
}

static void assert_asked(const struct path *path, const uint16_t *sizes, unsigned n)
{
    assert_int_equal(path->n, n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(path->asked[i], sizes[i]);
}
#define ASSERT_ASKED(path, ...)                                                                    \
    do {                                                                                           \
        const uint16_t sizes_[] = {__VA_ARGS__};                                                   \
        assert_asked(path, sizes_, sizeof sizes_ / sizeof sizes_[0]);                              \
    } while (0)

static void test_a_wide_path_takes_seven_round_trips(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1500, 0, MAX);
    online(&path);
    ASSERT_ASKED(&path, 1250, 1282, 1314, 1346, 1378, 1410, 1419);
    assert_int_equal(path.p.state, SW_PMTUD_COMPLETE);
    assert_int_equal(path.p.value, MAX);
    assert_int_equal(path.now, SW_SECOND + 7 * ROUND_TRIP);
}

static void test_results(void **state)
{
    static const struct {
        uint16_t carries, found;
    } cases[] = {{1250, 1250}, {1282, 1282}, {1284, 1282}, {1322, 1322}, {1324, 1322},
                 {1418, 1418}, {1419, 1419}, {1500, 1419}, {1234, 1231}, {1119, 1119},
                 {1249, 1247}, {1126, 1119}, {1127, 1127}};
    struct path path;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start(&path, cases[i].carries, 0, MAX);
        online(&path);
        settle(&path);
        assert_int_equal(path.p.value, cases[i].found);
        assert_true(path.now <= SW_SECOND + 46 * SW_SECOND);
    }
}

static void test_every_path_is_found_to_within_a_small_step(void **state)
{
    struct path path;
    (void)state;
    for (uint16_t max = 495; max <= MAX; max = (uint16_t)(max + 77))
        for (uint16_t base = 300; base < 1500; base = (uint16_t)(base + 95))
            for (uint16_t carries = 250; carries < 1500; carries++) {
                start(&path, carries, base, max);
                online(&path);
                if (carries < path.p.floor) continue;
                settle(&path);
                assert_true(path.p.value <= carries && path.p.value <= max);
                assert_true(path.p.value + 8 > carries || path.p.value == max);
            }
}

/* The client's own link carries 1300 bytes: nobody waits for anything. */
static void test_a_narrow_link_is_found_at_once(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1234, 0, MAX);
    path.link = 1234;
    online(&path);
    ASSERT_ASKED(&path, 1250, 1119, 1151, 1183, 1215, 1247, 1223, 1231, 1239);
    assert_int_equal(path.p.state, SW_PMTUD_COMPLETE);
    assert_int_equal(path.p.value, 1231);
    assert_true(path.now < 2 * SW_SECOND);
}

static void test_a_size_is_tried_three_times(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1284, 0, MAX);
    online(&path);
    settle(&path);
    ASSERT_ASKED(&path, 1250, 1282, 1314, 1314, 1314, 1290, 1290, 1290);
    assert_int_equal(path.p.value, 1282);
    assert_int_equal(path.now, SW_SECOND + 2 * ROUND_TRIP + 30 * SW_SECOND);
}

static void test_a_lost_probe_is_only_a_delay(void **state)
{
    struct path path;
    (void)state;
    start(&path, 0, 0, MAX);
    online(&path);
    path.carries = 1500;
    step(&path);
    ASSERT_ASKED(&path, 1250, 1250, 1282, 1314, 1346, 1378, 1410, 1419);
    assert_int_equal(path.p.value, MAX);
}

static void test_nothing_is_held_back_before_the_first_answer(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1200, 0, MAX);
    online(&path);
    step(&path);
    step(&path);
    assert_int_equal(path.p.state, SW_PMTUD_BASE);
    assert_int_equal(path.p.value, 0);
    step(&path);
    assert_true(path.p.value >= SW_PMTUD_FLOOR);
}

static void test_without_an_answer_the_floor_is_used_and_asked_for_ever(void **state)
{
    struct path path;
    (void)state;
    start(&path, 0, 0, MAX);
    online(&path);
    for (unsigned i = 0; i < 50; i++)
        step(&path);
    ASSERT_ASKED(&path, 1250, 1250, 1250, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119,
                 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119,
                 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119,
                 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119, 1119);
    assert_int_equal(path.p.state, SW_PMTUD_ERROR);
    assert_int_equal(path.p.value, SW_PMTUD_FLOOR);
    path.carries = 1500;
    step(&path);
    settle(&path);
    assert_int_equal(path.p.value, 1247); /* 1250 failed once; the next round tells */
    step(&path);
    assert_int_equal(path.p.value, MAX);
}

static void test_a_link_below_the_floor_is_no_busy_loop(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1000, 0, MAX);
    path.link = 1000;
    online(&path);
    ASSERT_ASKED(&path, 1250, 1119);
    for (unsigned i = 0; i < 10; i++)
        step(&path);
    assert_int_equal(path.n, 12);
    assert_int_equal(path.now, SW_SECOND + 50 * SW_SECOND);
    assert_int_equal(path.p.value, SW_PMTUD_FLOOR);
}

static void test_the_result_is_confirmed_and_raised_after_ten_minutes(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1282, 0, MAX);
    online(&path);
    settle(&path);
    sw_time found = path.now;
    path.carries = 1400;
    path.n = 0;
    step(&path);
    assert_int_equal(path.now, found + 10 * SW_MINUTE + 4 * ROUND_TRIP);
    ASSERT_ASKED(&path, 1282, 1314, 1346, 1378, 1410);
    settle(&path);
    assert_int_equal(path.p.value, 1394);
}

static void test_the_maximum_is_not_asked_for_beyond_itself(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1500, 0, MAX);
    online(&path);
    path.n = 0;
    step(&path);
    ASSERT_ASKED(&path, MAX);
    assert_int_equal(path.p.state, SW_PMTUD_COMPLETE);
}

static void test_a_black_hole_is_left_by_the_floor(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1500, 0, MAX);
    online(&path);
    path.carries = 1260;
    path.n = 0;
    step(&path); /* three confirmations fail */
    step(&path);
    step(&path);
    assert_int_equal(path.p.value, MAX);
    step(&path);
    ASSERT_ASKED(&path, MAX, MAX, MAX, 1250, 1282);
    assert_int_equal(path.p.value, 1250);
    settle(&path);
    assert_int_equal(path.p.value, 1258);
}

static void test_the_floor_is_used_while_the_base_is_in_doubt(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1500, 0, MAX);
    online(&path);
    path.carries = 0;
    for (unsigned i = 0; i < 4; i++)
        step(&path);
    assert_int_equal(path.p.state, SW_PMTUD_BASE);
    assert_int_equal(path.p.value, SW_PMTUD_FLOOR);
}

static void test_too_long_data_is_a_black_hole_at_once(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1500, 0, MAX);
    online(&path);
    path.carries = path.link = 1234;
    path.n = 0;
    follow(&path, sw_pmtud_too_long(&path.p, 1400, path.now));
    assert_int_equal(path.p.state, SW_PMTUD_COMPLETE);
    assert_int_equal(path.p.value, 1231);
    assert_int_equal(path.asked[0], 1250);
}

static void test_too_long_data_beyond_the_value_only_bounds_the_search(void **state)
{
    struct path path;
    (void)state;
    start(&path, 0, 0, MAX);
    online(&path); /* nothing known: data of any size goes out */
    assert_false(sw_pmtud_too_long(&path.p, 1393, path.now));
    assert_int_equal(path.p.state, SW_PMTUD_BASE);
    path.carries = 1500;
    step(&path);
    settle(&path);
    assert_int_equal(path.p.value, 1386);
    for (unsigned i = 0; i < path.n; i++)
        assert_true(path.asked[i] < 1393);
}

static void test_another_path_is_asked_at_once(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1282, 0, MAX);
    online(&path);
    settle(&path);
    path.carries = 1500;
    follow(&path, sw_pmtud_recheck(&path.p, path.now));
    assert_int_equal(path.p.state, SW_PMTUD_COMPLETE);
    assert_int_equal(path.p.value, MAX); /* what had failed on the old one is forgotten */
}

static void test_asking_again_and_again_does_not_keep_a_black_hole_open(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1500, 0, MAX);
    online(&path);
    path.carries = 1260;
    follow(&path, sw_pmtud_recheck(&path.p, path.now));
    for (unsigned i = 0; i < 3; i++) {
        assert_false(sw_pmtud_recheck(&path.p, path.now));
        step(&path);
        assert_false(path.p.state == SW_PMTUD_BASE && sw_pmtud_recheck(&path.p, path.now));
    }
    assert_int_equal(path.p.value, 1250);
}

static void test_a_value_in_doubt_is_asked_for_every_second(void **state)
{
    struct path path;
    (void)state;
    start(&path, 1500, 0, MAX);
    online(&path);
    path.carries = 1260;
    sw_time asked = path.now;
    follow(&path, sw_pmtud_recheck(&path.p, path.now));
    for (unsigned i = 0; i < 3; i++)
        step(&path);
    assert_int_equal(path.p.value, 1250);
    assert_int_equal(path.now, asked + 3 * SW_SECOND + ROUND_TRIP);
    assert_int_equal(path.p.at, path.now + SW_PMTUD_PROBE_TIME); /* no hurry any more */
}

static void test_only_the_last_probe_counts(void **state)
{
    struct sw_pmtud p;
    (void)state;
    sw_pmtud_init(&p, 0, MAX);
    assert_false(sw_pmtud_pong(&p, 0, 0));
    assert_false(sw_pmtud_pong(&p, 1, 0));
    assert_false(sw_pmtud_recheck(&p, 0));
    assert_false(sw_pmtud_too_long(&p, 100, 0));
    assert_int_equal(p.at, SW_NEVER);
    assert_true(sw_pmtud_start(&p, 0));
    assert_int_equal(p.id, 1);
    assert_false(sw_pmtud_pong(&p, 2, 1));
    assert_false(sw_pmtud_timer(&p, SW_PMTUD_PROBE_TIME - 1));
    assert_true(sw_pmtud_timer(&p, SW_PMTUD_PROBE_TIME));
    assert_int_equal(p.id, 2);
    sw_time at = p.at;
    assert_false(sw_pmtud_pong(&p, 1, SW_PMTUD_PROBE_TIME)); /* it was too late */
    assert_int_equal(p.at, at);
    assert_true(sw_pmtud_pong(&p, 2, SW_PMTUD_PROBE_TIME));
}

static void test_ids_wrap_around_zero(void **state)
{
    struct sw_pmtud p;
    (void)state;
    sw_pmtud_init(&p, 0, MAX);
    assert_true(sw_pmtud_start(&p, 0));
    for (unsigned i = 0; i < 70000; i++) {
        sw_pmtud_timer(&p, p.at);
        assert_int_not_equal(p.id, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wide_path_takes_seven_round_trips),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_every_path_is_found_to_within_a_small_step),
        cmocka_unit_test(test_a_narrow_link_is_found_at_once),
        cmocka_unit_test(test_a_size_is_tried_three_times),
        cmocka_unit_test(test_a_lost_probe_is_only_a_delay),
        cmocka_unit_test(test_nothing_is_held_back_before_the_first_answer),
        cmocka_unit_test(test_without_an_answer_the_floor_is_used_and_asked_for_ever),
        cmocka_unit_test(test_a_link_below_the_floor_is_no_busy_loop),
        cmocka_unit_test(test_the_result_is_confirmed_and_raised_after_ten_minutes),
        cmocka_unit_test(test_the_maximum_is_not_asked_for_beyond_itself),
        cmocka_unit_test(test_a_black_hole_is_left_by_the_floor),
        cmocka_unit_test(test_the_floor_is_used_while_the_base_is_in_doubt),
        cmocka_unit_test(test_too_long_data_is_a_black_hole_at_once),
        cmocka_unit_test(test_too_long_data_beyond_the_value_only_bounds_the_search),
        cmocka_unit_test(test_another_path_is_asked_at_once),
        cmocka_unit_test(test_asking_again_and_again_does_not_keep_a_black_hole_open),
        cmocka_unit_test(test_a_value_in_doubt_is_asked_for_every_second),
        cmocka_unit_test(test_only_the_last_probe_counts),
        cmocka_unit_test(test_ids_wrap_around_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
