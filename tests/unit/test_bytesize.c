/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Sizes in bytes: decimal and binary units, decimals, limits. */

#include "host/bytesize.h"

#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_reads(const char *text, uint64_t expected)
{
    uint64_t size = 1;
    if (sw_bytesize_parse(text, &size) != 0) fail_msg("\"%s\" was refused", text);
    if (size != expected) fail_msg("\"%s\" is %llu", text, (unsigned long long)size);
}

static void assert_refused(const char *text)
{
    uint64_t size = 77;
    if (sw_bytesize_parse(text, &size) != SW_EINVAL) fail_msg("\"%s\" was read", text);
    assert_int_equal(size, 77);
}

static void test_units_of_1000_and_of_1024(void **state)
{
    (void)state;
    uint64_t decimal = 1;
    uint64_t binary = 1;
    for (const char *prefix = "KMGTP"; *prefix != '\0'; prefix++) {
        static const char *const ends[] = {"", "B", "b"};
        decimal *= 1000;
        binary *= 1024;
        for (int i = 0; i < 3; i++) {
            char text[16];
            snprintf(text, sizeof text, "2%*s%c%s", i, "", *prefix, ends[i]);
            assert_reads(text, 2 * decimal);
            snprintf(text, sizeof text, "2%*s%ci%s", i, "", *prefix | 0x20, ends[i]);
            assert_reads(text, 2 * binary);
        }
    }
    assert_reads("7", 7);
    assert_reads("7B", 7);
    assert_reads("7 b", 7);
    assert_reads("0", 0);
}

static void test_decimals_are_cut_to_whole_bytes(void **state)
{
    (void)state;
    assert_reads("1.5MiB", 1572864);
    assert_reads("1.5 mb", 1500000);
    assert_reads("1.9", 1);
    assert_reads("0.0009K", 0);
    assert_reads("1.0000000000000000000000001KiB", 1024);
    assert_reads("0.333333333333333333333333333GiB", 357913941);
}

static void test_refuses_what_is_no_size(void **state)
{
    static const char *const texts[] = {"",    " ",   "B",      "15 MXB", "1EB",   "1EiB",
                                        "-1",  "+1",  "1.",     ".5K",    "1 K B", "1KBB",
                                        "1ii", "KiB", "1 KiBs", "1,5K",   "0x10K", "1e3"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_refused(texts[i]);
}

static void test_refuses_what_does_not_fit(void **state)
{
    (void)state;
    assert_reads("18446744073709551615", UINT64_MAX);
    assert_refused("18446744073709551616");
    assert_reads("16383PiB", UINT64_C(16383) << 50);
    assert_refused("16384PiB");
}

static void test_printed_sizes_are_exact(void **state)
{
    static const struct {
        uint64_t size;
        const char *text;
    } vectors[] = {{0, "0B"},
                   {1500, "1500B"},
                   {1024, "1KiB"},
                   {15 << 20, "15MiB"},
                   {1572864, "1536KiB"},
                   {8400000, "8400000B"},
                   {UINT64_MAX, "18446744073709551615B"}};
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        char text[64] = "";
        FILE *out = fmemopen(text, sizeof text, "w");
        sw_bytesize_print(vectors[i].size, out);
        fclose(out);
        assert_string_equal(text, vectors[i].text);
        assert_reads(text, vectors[i].size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units_of_1000_and_of_1024),
        cmocka_unit_test(test_decimals_are_cut_to_whole_bytes),
        cmocka_unit_test(test_refuses_what_is_no_size),
        cmocka_unit_test(test_refuses_what_does_not_fit),
        cmocka_unit_test(test_printed_sizes_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
