/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The virtio header: docs/offload.md A.3. */

#include <slipway/vnet.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t bytes[SW_VNET_LEN] = {
    0x01, 0x81, 0x34, 0x00, 0x12, 0x05, 0x14, 0x00, 0x10, 0x00,
};

static void test_decode_reads_fields_in_host_order_at_any_alignment(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        uint8_t buffer[SW_VNET_LEN + 8];
        memset(buffer, 0xee, sizeof buffer);
        memcpy(buffer + shift, bytes, sizeof bytes);
        struct sw_vnet vnet;
        sw_vnet_decode(buffer + shift, &vnet);
        assert_int_equal(vnet.flags, SW_VNET_NEEDS_CSUM);
        assert_int_equal(vnet.gso_type, SW_GSO_TCPV4 | SW_GSO_ECN);
        assert_int_equal(vnet.hdr_len, 52);
        assert_int_equal(vnet.gso_size, 1298);
        assert_int_equal(vnet.csum_start, 20);
        assert_int_equal(vnet.csum_offset, 16);
    }
}

static void test_encode_gives_the_same_bytes_and_no_more(void **state)
{
    (void)state;
    struct sw_vnet vnet = {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4 | SW_GSO_ECN, 52, 1298, 20, 16};
    for (size_t shift = 1; shift < 9; shift++) {
        uint8_t buffer[SW_VNET_LEN + 10];
        memset(buffer, 0xee, sizeof buffer);
        sw_vnet_encode(buffer + shift, &vnet);
        assert_memory_equal(buffer + shift, bytes, sizeof bytes);
        assert_int_equal(buffer[shift - 1], 0xee);
        assert_int_equal(buffer[shift + SW_VNET_LEN], 0xee);
    }
}

static void test_zeros_stand_for_an_ordinary_packet(void **state)
{
    (void)state;
    struct sw_vnet vnet = {0};
    uint8_t out[SW_VNET_LEN];
    static const uint8_t zeros[SW_VNET_LEN];
    sw_vnet_encode(out, &vnet);
    assert_memory_equal(out, zeros, sizeof zeros);
    assert_false(sw_vnet_is_super(&vnet));
}

static void test_ecn_bit_alone_is_no_superpacket(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        bool super;
    } cases[] = {
        {0x00, false}, {0x80, false}, {0x01, true}, {0x81, true}, {0x04, true}, {0x84, true},
        {0x05, true},  {0x85, true},  {0x03, true}, {0x02, true}, {0x7f, true}, {0xff, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sw_vnet vnet = {.gso_type = cases[i].type};
        assert_int_equal(sw_vnet_is_super(&vnet), cases[i].super);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_reads_fields_in_host_order_at_any_alignment),
        cmocka_unit_test(test_encode_gives_the_same_bytes_and_no_more),
        cmocka_unit_test(test_zeros_stand_for_an_ordinary_packet),
        cmocka_unit_test(test_ecn_bit_alone_is_no_superpacket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
