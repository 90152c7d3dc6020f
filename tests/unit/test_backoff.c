/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Waits between tries to connect (client/backoff.h). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/backoff.h"

#define FIRST   SW_SECOND
#define LONGEST (60 * SW_SECOND)

static void test_waits_double_up_to_the_longest(void **state)
{
    static const unsigned seconds[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    struct sw_backoff backoff = {.first = FIRST, .longest = LONGEST};
    (void)state;
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        sw_backoff_over(&backoff, 0);
        assert_true(sw_backoff_wait(&backoff, UINT32_MAX) == seconds[i] * SW_SECOND);
        assert_true(sw_backoff_wait(&backoff, 0) == seconds[i] * SW_SECOND / 2);
    }
}

static void test_dice_spread_the_waits(void **state)
{
    struct sw_backoff backoff = {.first = FIRST, .longest = LONGEST, .failures = 3};
    sw_time last = 0;
    (void)state;
    for (uint64_t dice = 0; dice <= UINT32_MAX; dice += UINT32_MAX / 7) {
        sw_time wait = sw_backoff_wait(&backoff, (uint32_t)dice);
        assert_true(wait > last && wait >= 2 * SW_SECOND && wait <= 4 * SW_SECOND);
        last = wait;
    }
}

static void test_after_a_lasting_connection_there_is_no_wait(void **state)
{
    struct sw_backoff backoff = {.first = FIRST, .longest = LONGEST, .failures = 9};
    (void)state;
    sw_backoff_over(&backoff, SW_BACKOFF_LASTING);
    assert_true(sw_backoff_wait(&backoff, UINT32_MAX) == 0);
    sw_backoff_over(&backoff, 0);
    assert_true(sw_backoff_wait(&backoff, UINT32_MAX) == FIRST);
}

static void test_a_server_that_ends_connections_at_once_is_a_failure(void **state)
{
    struct sw_backoff backoff = {.first = FIRST, .longest = LONGEST};
    (void)state;
    for (int i = 0; i < 3; i++)
        sw_backoff_over(&backoff, SW_SECOND);
    assert_true(sw_backoff_wait(&backoff, UINT32_MAX) == 4 * FIRST);
}

static void test_years_of_failures_do_not_overflow(void **state)
{
    struct sw_backoff backoff = {
        .first = 1, .longest = 24 * 60 * SW_MINUTE, .failures = UINT32_MAX};
    (void)state;
    assert_true(sw_backoff_wait(&backoff, UINT32_MAX) <= backoff.longest);
    backoff.first = backoff.longest;
    assert_true(sw_backoff_wait(&backoff, UINT32_MAX) == backoff.longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_double_up_to_the_longest),
        cmocka_unit_test(test_dice_spread_the_waits),
        cmocka_unit_test(test_after_a_lasting_connection_there_is_no_wait),
        cmocka_unit_test(test_a_server_that_ends_connections_at_once_is_a_failure),
        cmocka_unit_test(test_years_of_failures_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
