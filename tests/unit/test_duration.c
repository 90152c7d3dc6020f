/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Durations: every unit, sums, decimals, and everything that must not be read as one. */

#include "host/duration.h"

#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_reads(const char *text, sw_time expected)
{
    sw_time duration = 1;
    if (sw_duration_parse(text, &duration) != 0) fail_msg("\"%s\" was refused", text);
    if (duration != expected) fail_msg("\"%s\" is %llu", text, (unsigned long long)duration);
}

static void assert_refused(const char *text)
{
    sw_time duration = 77;
    if (sw_duration_parse(text, &duration) != SW_EINVAL) fail_msg("\"%s\" was read", text);
    assert_int_equal(duration, 77);
}

static void assert_prints(sw_time duration, const char *expected)
{
    char text[128] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    sw_duration_print(duration, out);
    fclose(out);
    assert_string_equal(text, expected);

    sw_time back;
    assert_int_equal(sw_duration_parse(text, &back), 0);
    assert_int_equal(back, duration);
}

static void test_every_spelling_of_every_unit(void **state)
{
    static const struct {
        sw_time length;
        const char *spellings;
    } units[] = {
        {1, "ns nsec nanos"},
        {1000, "us usec \xc2\xb5s \xce\xbcs"},
        {1000000, "ms msec millis"},
        {SW_SECOND, "s sec secs second seconds"},
        {60 * SW_SECOND, "m min mins minute minutes"},
        {3600 * SW_SECOND, "h hr hrs hour hours"},
        {86400 * SW_SECOND, "d day days"},
        {604800 * SW_SECOND, "w wk wks week weeks"},
        {2630016 * SW_SECOND, "M month months"},
        {31557600 * SW_SECOND, "y yr yrs year years"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        char spellings[64];
        strcpy(spellings, units[i].spellings);
        for (char *unit = strtok(spellings, " "); unit != NULL; unit = strtok(NULL, " ")) {
            char text[64];
            snprintf(text, sizeof text, "3%s", unit);
            assert_reads(text, 3 * units[i].length);
        }
    }
}

static void test_groups_add_up_with_or_without_spaces(void **state)
{
    (void)state;
    assert_reads("1h 30m", 5400 * SW_SECOND);
    assert_reads("1h30m", 5400 * SW_SECOND);
    assert_reads(" 1 hour  30 minutes ", 5400 * SW_SECOND);
    assert_reads("30m 1h", 5400 * SW_SECOND);
    assert_reads("1s1s", 2 * SW_SECOND);
}

static void test_a_month_is_not_a_minute(void **state)
{
    (void)state;
    assert_reads("1M", 2630016 * SW_SECOND);
    assert_reads("1m", 60 * SW_SECOND);
}

static void test_decimals_must_be_whole_nanoseconds(void **state)
{
    (void)state;
    assert_reads("1.5s", 1500 * SW_MILLISECOND);
    assert_reads("0.000000001s", 1);
    assert_reads("1.50000000000000000000000000s", 1500 * SW_MILLISECOND);
    assert_reads("0.25us", 250);
    assert_refused("0.0000000001s");
    assert_refused("1.5ns");
    assert_refused("1.s");
    assert_refused(".5s");
    assert_refused("1.2.3s");
}

static void test_only_zero_needs_no_unit(void **state)
{
    (void)state;
    assert_reads("0", 0);
    assert_reads(" 0 ", 0);
    assert_reads("0s", 0);
    assert_refused("10");
    assert_refused("1s 10");
    assert_refused("00");
    assert_refused("0 0");
}

static void test_refuses_what_is_no_duration(void **state)
{
    static const char *const texts[] = {"",   " ",    "s",    "ten seconds", "-1s", "+1s", "1 S",
                                        "1x", "1,5s", "1e3s", "0x10s",       "1s,", "s1",  "\xff"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_refused(texts[i]);
}

static void test_refuses_what_does_not_fit(void **state)
{
    (void)state;
    assert_reads("9223372036854775807ns", INT64_MAX);
    assert_refused("9223372036854775808ns");
    assert_refused("99999999999999999999999s");
    assert_refused("18446744073709551616ns");
    assert_refused("293y");
    assert_refused("200y 200y");
}

static void test_prints_largest_units_first(void **state)
{
    (void)state;
    assert_prints(0, "0s");
    assert_prints(60 * SW_SECOND, "1m");
    assert_prints(100 * SW_MILLISECOND, "100ms");
    assert_prints(86400 * SW_SECOND, "1day");
    assert_prints(2 * 86400 * SW_SECOND + 3601 * SW_SECOND, "2days 1h 1s");
    assert_prints(INT64_MAX, "292years 3months 7days 16h 6m 28s 854ms 775us 807ns");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_spelling_of_every_unit),
        cmocka_unit_test(test_groups_add_up_with_or_without_spaces),
        cmocka_unit_test(test_a_month_is_not_a_minute),
        cmocka_unit_test(test_decimals_must_be_whole_nanoseconds),
        cmocka_unit_test(test_only_zero_needs_no_unit),
        cmocka_unit_test(test_refuses_what_is_no_duration),
        cmocka_unit_test(test_refuses_what_does_not_fit),
        cmocka_unit_test(test_prints_largest_units_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
