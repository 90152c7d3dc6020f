/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Cursors and writers never pass their end, and a call that fails moves nothing. */

#include "lib/base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/hex.h"

static void test_loads_and_stores_are_big_endian_at_any_alignment(void **state)
{
    (void)state;
    uint8_t b[16];
    for (size_t at = 0; at < 8; at++) {
        sw_put_be16(b + at, 0x1234);
        assert_memory_equal(b + at, "\x12\x34", 2);
        assert_int_equal(sw_get_be16(b + at), 0x1234);
        sw_put_be32(b + at, 0x12345678);
        assert_memory_equal(b + at, "\x12\x34\x56\x78", 4);
        assert_int_equal(sw_get_be32(b + at), 0x12345678);
        sw_put_be64(b + at, 0x123456789abcdef0);
        assert_memory_equal(b + at, "\x12\x34\x56\x78\x9a\xbc\xde\xf0", 8);
        assert_true(sw_get_be64(b + at) == 0x123456789abcdef0);
    }
}

static void test_cursor_takes_fields_in_order(void **state)
{
    (void)state;
    struct hex in = hex("01 0203 04050607 08090a0b0c0d0e0f 1011 12 1314");
    struct sw_cursor c = sw_cursor(in.data, in.len);
    uint8_t u8, copy[2];
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    const uint8_t *bytes;
    assert_int_equal(sw_cursor_u8(&c, &u8), 0);
    assert_int_equal(u8, 1);
    assert_int_equal(sw_cursor_be16(&c, &u16), 0);
    assert_int_equal(u16, 0x0203);
    assert_int_equal(sw_cursor_be32(&c, &u32), 0);
    assert_int_equal(u32, 0x04050607);
    assert_int_equal(sw_cursor_be64(&c, &u64), 0);
    assert_true(u64 == 0x08090a0b0c0d0e0f);
    assert_int_equal(sw_cursor_bytes(&c, 2, &bytes), 0);
    assert_ptr_equal(bytes, in.data + 15);
    assert_int_equal(sw_cursor_skip(&c, 1), 0);
    assert_int_equal(sw_cursor_copy(&c, copy, 2), 0);
    assert_memory_equal(copy, "\x13\x14", 2);
    assert_int_equal(sw_cursor_left(&c), 0);
    free(in.data);
}

static void test_cursor_that_is_one_byte_short_does_not_move(void **state)
{
    (void)state;
    struct hex in = hex("00*8");
    uint8_t u8, copy[8];
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    const uint8_t *bytes;
    struct sw_cursor c = sw_cursor(in.data, 0);
    assert_int_equal(sw_cursor_u8(&c, &u8), SW_ESHORT);
    assert_ptr_equal(c.p, in.data);
    c = sw_cursor(in.data, 1);
    assert_int_equal(sw_cursor_be16(&c, &u16), SW_ESHORT);
    assert_ptr_equal(c.p, in.data);
    c = sw_cursor(in.data, 3);
    assert_int_equal(sw_cursor_be32(&c, &u32), SW_ESHORT);
    assert_ptr_equal(c.p, in.data);
    c = sw_cursor(in.data, 7);
    assert_int_equal(sw_cursor_be64(&c, &u64), SW_ESHORT);
    assert_int_equal(sw_cursor_bytes(&c, 8, &bytes), SW_ESHORT);
    assert_int_equal(sw_cursor_copy(&c, copy, 8), SW_ESHORT);
    assert_int_equal(sw_cursor_skip(&c, SIZE_MAX), SW_ESHORT);
    assert_ptr_equal(c.p, in.data);
    free(in.data);
}

static void test_writer_writes_fields_in_order(void **state)
{
    (void)state;
    struct hex out = hex("ff*20");
    struct hex expected = hex("01 0203 04050607 08090a0b0c0d0e0f 00 00 10 11 12");
    struct sw_writer w = sw_writer(out.data, out.len);
    uint8_t *claimed;
    assert_int_equal(sw_writer_u8(&w, 1), 0);
    assert_int_equal(sw_writer_be16(&w, 0x0203), 0);
    assert_int_equal(sw_writer_be32(&w, 0x04050607), 0);
    assert_int_equal(sw_writer_be64(&w, 0x08090a0b0c0d0e0f), 0);
    assert_int_equal(sw_writer_zeros(&w, 2), 0);
    assert_int_equal(sw_writer_bytes(&w, "\x10\x11", 2), 0);
    assert_int_equal(sw_writer_claim(&w, 1, &claimed), 0);
    *claimed = 0x12;
    assert_int_equal(sw_writer_len(&w), expected.len);
    assert_memory_equal(out.data, expected.data, expected.len);
    free(expected.data);
    free(out.data);
}

static void test_full_writer_does_not_move_or_write(void **state)
{
    (void)state;
    struct hex out = hex("ff*7");
    struct sw_writer w = sw_writer(out.data, out.len);
    uint8_t *claimed;
    assert_int_equal(sw_writer_be64(&w, 0), SW_EFULL);
    assert_int_equal(sw_writer_bytes(&w, "12345678", 8), SW_EFULL);
    assert_int_equal(sw_writer_zeros(&w, 8), SW_EFULL);
    assert_int_equal(sw_writer_claim(&w, SIZE_MAX, &claimed), SW_EFULL);
    assert_int_equal(sw_writer_len(&w), 0);
    assert_memory_equal(out.data, "\xff\xff\xff\xff\xff\xff\xff", 7);

    assert_int_equal(sw_writer_zeros(&w, 6), 0);
    assert_int_equal(sw_writer_be16(&w, 0), SW_EFULL);
    assert_int_equal(sw_writer_u8(&w, 0), 0);
    assert_int_equal(sw_writer_u8(&w, 0), SW_EFULL);
    assert_int_equal(sw_writer_bytes(&w, NULL, 0), 0);
    assert_int_equal(sw_writer_zeros(&w, 0), 0);
    assert_int_equal(sw_writer_len(&w), 7);
    free(out.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loads_and_stores_are_big_endian_at_any_alignment),
        cmocka_unit_test(test_cursor_takes_fields_in_order),
        cmocka_unit_test(test_cursor_that_is_one_byte_short_does_not_move),
        cmocka_unit_test(test_writer_writes_fields_in_order),
        cmocka_unit_test(test_full_writer_does_not_move_or_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
