/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The kernel's random numbers: host/random.h. */

#include "host/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned calls;

/* In place of the C library's. */
ssize_t getrandom(void *out, size_t len, unsigned flags)
{
    calls++;
    return syscall(SYS_getrandom, out, len, flags);
}

static void test_fill_touches_exactly_its_bytes(void **state)
{
    /* A byte stays zero by chance once in 256 tries; 64 tries in a row never do. */
    uint8_t seen[34] = {0};
    for (int i = 0; i < 64; i++) {
        uint8_t bytes[34] = {0};
        sw_random_fill(bytes + 1, 32);
        assert_int_equal(bytes[0], 0);
        assert_int_equal(bytes[33], 0);
        for (size_t j = 0; j < sizeof bytes; j++)
            seen[j] |= bytes[j];
    }
    for (size_t j = 1; j <= 32; j++)
        assert_int_not_equal(seen[j], 0);
}

static void test_below_stays_below_and_reaches_everything(void **state)
{
    unsigned counts[6] = {0};
    for (int i = 0; i < 6000; i++) {
        uint32_t value = sw_random_below(6);
        assert_true(value < 6);
        counts[value]++;
    }
    for (size_t i = 0; i < 6; i++) /* 1000 expected, standard deviation 29 */
        assert_in_range(counts[i], 700, 1300);
    assert_int_equal(sw_random_below(1), 0);
    (void)sw_random_below(UINT32_MAX);
}

/* A pool of 16 million addresses is shuffled before the server can start. */
static void test_millions_take_few_calls(void **state)
{
    unsigned before = calls;
    for (uint32_t i = 0; i < 100000; i++)
        (void)sw_random_below(i + 1);
    assert_in_range(calls - before, 1, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fill_touches_exactly_its_bytes),
        cmocka_unit_test(test_below_stays_below_and_reaches_everything),
        cmocka_unit_test(test_millions_take_few_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
