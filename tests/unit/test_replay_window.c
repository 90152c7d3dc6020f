/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The window by its invariants (docs/protocol/expresslane.md §8.1, §19), then against one that is
 * too plain to be wrong: an array of the last 8192 counters that is shifted for every step forward.
 */

#include "lib/engine/replay_window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

#define FAR_AHEAD 9000000

/** Every counter from first to last is committed. */
static void accept_all(struct sw_replay_window *window, uint64_t first, uint64_t last)
{
    for (uint64_t counter = first; counter <= last; counter++)
        assert_true(sw_replay_window_commit(window, counter));
}

static void test_counter_zero_is_never_taken(void **state)
{
    (void)state;
    struct sw_replay_window window = {0};
    assert_false(sw_replay_window_takes(&window, 0));
    assert_false(sw_replay_window_commit(&window, 0));
    accept_all(&window, 1, 100);
    assert_false(sw_replay_window_takes(&window, 0));
}

static void test_counters_out_of_order_are_taken_once(void **state)
{
    (void)state;
    static const uint64_t order[] = {1, 3, 5, 2, 4};
    struct sw_replay_window window = {0};
    for (size_t i = 0; i < 5; i++)
        assert_true(sw_replay_window_commit(&window, order[i]));
    for (size_t i = 0; i < 5; i++) {
        assert_false(sw_replay_window_takes(&window, order[i]));
        assert_false(sw_replay_window_commit(&window, order[i]));
    }
    assert_int_equal(window.high, 5);
}

static void test_asking_and_being_refused_change_nothing(void **state)
{
    (void)state;
    static const uint64_t asked[] = {0, 1, 7, 63, 64, 20000, 20001, 30000, FAR_AHEAD, UINT64_MAX};
    struct sw_replay_window window = {0};
    accept_all(&window, 1, 64);
    accept_all(&window, 12000, 20000);
    struct sw_replay_window before = window;

    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        bool taken = sw_replay_window_takes(&window, asked[i]);
        assert_memory_equal(&window, &before, sizeof window);
        if (taken) continue;
        assert_false(sw_replay_window_commit(&window, asked[i]));
        assert_memory_equal(&window, &before, sizeof window);
    }
}

static void test_window_is_8192_counters_wide(void **state)
{
    (void)state;
    struct sw_replay_window window = {0};
    assert_int_equal(SW_REPLAY_WINDOW, 8192);
    assert_true(sw_replay_window_commit(&window, 1000000));
    assert_false(sw_replay_window_takes(&window, 1));
    assert_true(sw_replay_window_takes(&window, 999999));
    assert_true(sw_replay_window_takes(&window, 1000000 - 8191));
    assert_false(sw_replay_window_takes(&window, 1000000 - 8192));
    assert_true(sw_replay_window_commit(&window, 1000000 - 8191));
    assert_false(sw_replay_window_commit(&window, 1000000 - 8191));
    accept_all(&window, 1000000 - 8190, 999999);
    assert_int_equal(window.high, 1000000);
    for (uint64_t counter = 0; counter <= 1000000; counter++)
        assert_false(sw_replay_window_takes(&window, counter));
}

static void test_a_preview_far_ahead_leaves_the_present_alone(void **state)
{
    (void)state;
    struct sw_replay_window window = {0};
    accept_all(&window, 1, 10);
    assert_true(sw_replay_window_takes(&window, FAR_AHEAD)); /* its tag is wrong: no commit */
    accept_all(&window, 11, 20);
}

static void test_last_counter_of_all_is_taken_once(void **state)
{
    (void)state;
    struct sw_replay_window window = {0};
    assert_true(sw_replay_window_commit(&window, UINT64_MAX - 1));
    assert_true(sw_replay_window_commit(&window, UINT64_MAX));
    assert_false(sw_replay_window_commit(&window, UINT64_MAX));
    assert_true(sw_replay_window_commit(&window, UINT64_MAX - 8191));
    assert_false(sw_replay_window_takes(&window, UINT64_MAX - 8192));
    assert_false(sw_replay_window_takes(&window, 1));
}

/* All counters up to base have been seen; base + distance comes next. */
static void check_jump(uint64_t base, uint64_t distance)
{
    struct sw_replay_window window = {.high = base};
    memset(window.seen, 0xff, sizeof window.seen);
    const uint64_t high = base + distance;

    assert_true(sw_replay_window_commit(&window, high));
    assert_int_equal(window.high, high);
    for (uint64_t counter = high - 8300; counter <= high; counter++) {
        bool fresh = counter > base && counter < high && high - counter < SW_REPLAY_WINDOW;
        if (sw_replay_window_takes(&window, counter) != fresh)
            fail_msg("base %llu, jump %llu: counter %llu", (unsigned long long)base,
                     (unsigned long long)distance, (unsigned long long)counter);
    }
}

static void test_a_jump_forgets_exactly_what_it_passes_over(void **state)
{
    (void)state;
    for (uint64_t base = 100000; base < 100064; base += 9) {
        for (uint64_t distance = 1; distance <= 200; distance++)
            check_jump(base, distance);
        for (uint64_t distance = 200; distance < 8000; distance += 331)
            check_jump(base, distance);
        for (uint64_t distance = 8100; distance <= 8260; distance++)
            check_jump(base, distance);
        check_jump(base, FAR_AHEAD);
    }
}

/** seen[i]: counter high - i. */
struct plain_window {
    uint64_t high;
    bool seen[SW_REPLAY_WINDOW];
};

static bool plain_takes(const struct plain_window *plain, uint64_t counter)
{
    if (counter == 0) return false;
    if (counter > plain->high) return true;
    return plain->high - counter < SW_REPLAY_WINDOW && !plain->seen[plain->high - counter];
}

static bool plain_commit(struct plain_window *plain, uint64_t counter)
{
    if (!plain_takes(plain, counter)) return false;
    if (counter > plain->high) {
        uint64_t steps = counter - plain->high;
        if (steps > SW_REPLAY_WINDOW) steps = SW_REPLAY_WINDOW;
        memmove(plain->seen + steps, plain->seen, SW_REPLAY_WINDOW - steps);
        memset(plain->seen, 0, steps);
        plain->high = counter;
    }
    plain->seen[plain->high - counter] = true;
    return true;
}

/* What networks and attackers make of a sequence. */
static uint64_t next_counter(uint64_t *random, uint64_t high)
{
    uint64_t back;

    switch (random_below(random, 20)) {
    case 0: /* anywhere near the far edge */
        back = 8192 - 40 + random_below(random, 80);
        break;
    case 1: /* far behind */
        back = 8192 + random_below(random, 100000);
        break;
    case 2:
        return high + 1 + random_below(random, 5000);
    case 3:
        return random_below(random, 200) == 0 ? high + 8100 + random_below(random, 20000)
                                              : high + 64 * random_below(random, 4);
    case 4:
    case 5:
    case 6: /* anywhere in the window, mostly replays */
        back = random_below(random, 8192);
        break;
    case 7:
    case 8:
    case 9:
    case 10: /* a little late, or twice */
        back = random_below(random, 70);
        break;
    default:
        return high + 1;
    }
    return back < high ? high - back : 0;
}

static void test_agrees_with_a_plain_shifting_window(void **state)
{
    (void)state;
    static struct plain_window plain;
    unsigned taken = 0, refused = 0;

    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t random = seed;
        struct sw_replay_window window = {0};
        memset(&plain, 0, sizeof plain);
        for (int i = 0; i < 20000; i++) {
            const uint64_t counter = next_counter(&random, window.high);
            const bool expected = plain_takes(&plain, counter);
            if (sw_replay_window_takes(&window, counter) != expected)
                fail_msg("seed %llu, step %d", (unsigned long long)seed, i);
            if (random_below(&random, 30) == 0) continue; /* not authentic */
            assert_int_equal(sw_replay_window_commit(&window, counter), expected);
            plain_commit(&plain, counter);
            assert_int_equal(window.high, plain.high);
            *(expected ? &taken : &refused) += 1;
        }
    }
    assert_true(taken > 100000 && refused > 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_zero_is_never_taken),
        cmocka_unit_test(test_counters_out_of_order_are_taken_once),
        cmocka_unit_test(test_asking_and_being_refused_change_nothing),
        cmocka_unit_test(test_window_is_8192_counters_wide),
        cmocka_unit_test(test_a_preview_far_ahead_leaves_the_present_alone),
        cmocka_unit_test(test_last_counter_of_all_is_taken_once),
        cmocka_unit_test(test_a_jump_forgets_exactly_what_it_passes_over),
        cmocka_unit_test(test_agrees_with_a_plain_shifting_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
