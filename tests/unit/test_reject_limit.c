/* SPDX-License-Identifier: GPL-3.0-or-later */

/* How many REJECTs a source may have: ten at once, then ten a second (docs/protocol/wire.md §10).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/engine/reject_limit.h"

static unsigned allowed(struct sw_reject_limit *limit, uint64_t hash, sw_time now, unsigned asked)
{
    unsigned n = 0;

    while (asked-- > 0)
        n += sw_reject_allowed(limit, hash, 1, now);
    return n;
}

static void test_ten_at_once(void **state)
{
    struct sw_reject_limit limit = {0};

    (void)state;
    assert_int_equal(allowed(&limit, 7, SW_SECOND, 1000), 10);
    assert_int_equal(allowed(&limit, 7, SW_SECOND, 1000), 0);
}

static void test_ten_a_second_after_that(void **state)
{
    struct sw_reject_limit limit = {0};
    unsigned n = 0;

    (void)state;
    allowed(&limit, 7, SW_SECOND, 10);
    for (sw_time now = SW_SECOND; now < 11 * SW_SECOND; now += SW_MILLISECOND)
        n += sw_reject_allowed(&limit, 7, 1, now);
    assert_in_range(n, 99, 100);
}

static void test_a_long_pause_fills_the_bucket_and_no_more(void **state)
{
    struct sw_reject_limit limit = {0};

    (void)state;
    allowed(&limit, 7, SW_SECOND, 10);
    assert_int_equal(allowed(&limit, 7, SW_SECOND * 3600, 1000), 10);
}

static void test_sources_have_buckets_of_their_own(void **state)
{
    struct sw_reject_limit limit = {0};

    (void)state;
    assert_int_equal(allowed(&limit, 7, SW_SECOND, 100), 10);
    assert_int_equal(allowed(&limit, 8, SW_SECOND, 100), 10);
    assert_int_equal(allowed(&limit, 7 + SW_REJECT_BUCKETS, SW_SECOND, 100), 0); /* shared */
}

static void test_it_works_from_the_start_of_time(void **state)
{
    struct sw_reject_limit limit = {0};

    (void)state;
    assert_int_equal(allowed(&limit, UINT64_MAX, 0, 100), 10);
}

static void test_workers_together_allow_no_more(void **state)
{
    for (unsigned workers = 1; workers <= 64; workers *= 2) {
        struct sw_reject_limit limits[64] = {0};
        unsigned n = 0;

        (void)state;
        for (sw_time now = SW_SECOND; now < 101 * SW_SECOND; now += 10 * SW_MILLISECOND)
            for (unsigned i = 0; i < workers; i++)
                n += sw_reject_allowed(&limits[i], 7, workers, now);
        assert_in_range(n, 950, 1010 + workers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_at_once),
        cmocka_unit_test(test_ten_a_second_after_that),
        cmocka_unit_test(test_a_long_pause_fills_the_bucket_and_no_more),
        cmocka_unit_test(test_sources_have_buckets_of_their_own),
        cmocka_unit_test(test_workers_together_allow_no_more),
        cmocka_unit_test(test_it_works_from_the_start_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
