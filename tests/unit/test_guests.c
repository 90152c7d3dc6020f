/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Clients whose connection another worker has: lib/engine/guests.h. */

#include "lib/engine/guests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START SW_SECOND

/* Hashes of one set. */
static uint64_t in_set(uint64_t number)
{
    return 7 + 1024 * number;
}

static void test_guest_is_found_with_its_worker(void **state)
{
    struct sw_guests *guests = sw_guests_new();
    assert_int_equal(sw_guests_find(guests, 5, START), -1);
    sw_guests_put(guests, 5, 3, START);
    sw_guests_put(guests, 6, 0, START);
    assert_int_equal(sw_guests_find(guests, 5, START), 3);
    assert_int_equal(sw_guests_find(guests, 6, START), 0);
    sw_guests_put(guests, 5, 2, START);
    assert_int_equal(sw_guests_find(guests, 5, START), 2);
    sw_guests_free(guests);
}

static void test_zero_is_a_hash_and_a_time_like_any_other(void **state)
{
    struct sw_guests *guests = sw_guests_new();
    assert_int_equal(sw_guests_find(guests, 0, 0), -1);
    sw_guests_put(guests, 0, 1, 0);
    assert_int_equal(sw_guests_find(guests, 0, 0), 1);
    sw_guests_free(guests);
}

static void test_guest_lapses_ten_minutes_after_its_last_datagram(void **state)
{
    struct sw_guests *guests = sw_guests_new();
    sw_guests_put(guests, 5, 3, START);
    assert_int_equal(sw_guests_find(guests, 5, START + 10 * SW_MINUTE), 3);
    assert_int_equal(sw_guests_find(guests, 5, START + 20 * SW_MINUTE), 3);
    assert_int_equal(sw_guests_find(guests, 5, START + 30 * SW_MINUTE + 1), -1);
    assert_int_equal(sw_guests_find(guests, 5, START + 30 * SW_MINUTE + 1), -1);
    sw_guests_free(guests);
}

static void test_in_a_full_set_the_longest_unused_one_goes(void **state)
{
    struct sw_guests *guests = sw_guests_new();
    for (unsigned i = 0; i < 4; i++)
        sw_guests_put(guests, in_set(i), i, START + i);
    assert_int_equal(sw_guests_find(guests, in_set(0), START + 10), 0); /* used again */
    sw_guests_put(guests, in_set(4), 4, START + 11);
    assert_int_equal(sw_guests_find(guests, in_set(1), START + 12), -1);
    for (unsigned i = 0; i < 5; i++)
        if (i != 1) assert_int_equal(sw_guests_find(guests, in_set(i), START + 12), i);
    sw_guests_put(guests, in_set(4), 9, START + 13); /* one that is there takes no other's place */
    for (unsigned i = 0; i < 4; i++)
        if (i != 1) assert_int_equal(sw_guests_find(guests, in_set(i), START + 14), i);
    assert_int_equal(sw_guests_find(guests, in_set(4), START + 14), 9);
    sw_guests_free(guests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guest_is_found_with_its_worker),
        cmocka_unit_test(test_zero_is_a_hash_and_a_time_like_any_other),
        cmocka_unit_test(test_guest_lapses_ten_minutes_after_its_last_datagram),
        cmocka_unit_test(test_in_a_full_set_the_longest_unused_one_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
