/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The UTF-8 check, exhaustively where that is possible. */

#include "lib/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/hex.h"

static bool valid(const char *text)
{
    struct hex in = hex(text);
    const bool result = sw_utf8_valid(in.data, in.len);
    free(in.data);
    return result;
}

/** Plain encoder of a code point below 2^21, right or wrong. */
static size_t encode(uint32_t point, size_t len, uint8_t out[4])
{
    static const uint8_t marks[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--, point >>= 6) {
        out[i] = (uint8_t)(0x80 | (point & 0x3f));
    }
    out[0] = (uint8_t)(marks[len] | point);
    return len;
}

static size_t shortest(uint32_t point)
{
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

static void test_accepts_every_character_in_its_shortest_form_only(void **state)
{
    (void)state;
    uint8_t b[4];
    for (uint32_t point = 0; point < 0x200000; point++) {
        const bool surrogate = point >= 0xd800 && point <= 0xdfff;
        const bool character = point <= 0x10ffff && !surrogate;
        for (size_t len = shortest(point); len <= 4; len++) {
            const bool expected = character && len == shortest(point);
            if (sw_utf8_valid(b, encode(point, len, b)) != expected)
                fail_msg("U+%04X in %zu bytes", point, len);
        }
    }
}

static void test_judges_every_pair_of_bytes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x10000; i++) {
        const uint8_t b[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        const bool ascii = b[0] < 0x80 && b[1] < 0x80;
        const bool two = b[0] >= 0xc2 && b[0] <= 0xdf && (b[1] & 0xc0) == 0x80;
        assert_int_equal(sw_utf8_valid(b, 2), ascii || two);
    }
}

static void test_refuses_truncated_characters(void **state)
{
    (void)state;
    assert_true(valid("c3 a9"));
    assert_false(valid("c3"));
    assert_true(valid("61 e2 82 ac 62"));
    assert_false(valid("61 e2 82"));
    assert_false(valid("61 e2"));
    assert_true(valid("f0 9f 98 80"));
    assert_false(valid("f0 9f 98"));
    assert_false(valid("f0 9f 98 61"));
    assert_false(valid("61 80"));
    assert_false(valid("c3 28"));
}

static void test_accepts_nothing_and_zero_bytes(void **state)
{
    (void)state;
    assert_true(sw_utf8_valid(NULL, 0));
    assert_true(valid(""));
    assert_true(valid("00 61 00"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_every_character_in_its_shortest_form_only),
        cmocka_unit_test(test_judges_every_pair_of_bytes),
        cmocka_unit_test(test_refuses_truncated_characters),
        cmocka_unit_test(test_accepts_nothing_and_zero_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
