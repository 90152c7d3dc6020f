/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Checksums: docs/offload.md A.6, D.1 and the vectors C1 to C3 and R1 of D.2. */

#include "lib/offload/checksum.h"

#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "tests/unit/packet_bytes.h"

#define LONGEST 2000

/* The folded sum as a number in network order. */
static uint16_t folded(uint64_t sum)
{
    uint16_t v = sw_sum_fold(sum);
    return sw_get_be16((const uint8_t *)&v);
}

/* In one's complement 0 and 0xffff are the same number; the plain sum may show either. */
static uint16_t one_zero(uint32_t sum)
{
    return sum == 0xffff ? 0 : (uint16_t)sum;
}

static void test_sum_equals_the_plain_one_for_all_lengths_and_alignments(void **state)
{
    (void)state;
    static uint8_t data[LONGEST + 16];
    fill_random(data, sizeof data, 7);
    for (size_t shift = 0; shift < 16; shift++) {
        for (size_t len = 0; len <= LONGEST; len++) {
            uint16_t fast = folded(sw_sum(data + shift, len, 0));
            assert_int_equal(one_zero(fast), one_zero(plain_sum(data + shift, len, 0)));
        }
    }
}

static void test_sum_carries_when_every_bit_is_set(void **state)
{
    (void)state;
    static uint8_t data[65536];
    memset(data, 0xff, sizeof data);
    for (size_t len = 1; len <= sizeof data; len += len < 70 ? 1 : 997) {
        assert_int_equal(folded(sw_sum(data, len, 0)), plain_sum(data, len, 0));
    }
    assert_true(sw_sum(data, sizeof data, 0) < (uint64_t)1 << 50);
}

static void test_sum_is_not_lost_in_a_start_value(void **state)
{
    (void)state;
    static uint8_t data[LONGEST];
    fill_random(data, sizeof data, 11);
    for (size_t cut = 0; cut <= LONGEST; cut += 2) {
        uint64_t sum = sw_sum(data + cut, LONGEST - cut, sw_sum(data, cut, 0));
        assert_int_equal(one_zero(folded(sum)), one_zero(plain_sum(data, LONGEST, 0)));
    }
}

static void test_sum_copy_copies_and_sums_all_lengths_and_alignments(void **state)
{
    (void)state;
    static uint8_t data[LONGEST + 16], out[LONGEST + 32];
    fill_random(data, sizeof data, 13);
    for (size_t len = 0; len <= LONGEST; len++) {
        size_t from = len % 16, to = 1 + len / 16 % 16;
        memset(out, 0xa5, sizeof out);
        uint64_t sum = sw_sum_copy(out + to, data + from, len, 5);
        assert_true(sum == sw_sum(data + from, len, 5));
        assert_memory_equal(out + to, data + from, len);
        assert_int_equal(out[to - 1], 0xa5);
        assert_int_equal(out[to + len], 0xa5);
    }
}

static void test_fold_reaches_16_bits_from_any_sum(void **state)
{
    (void)state;
    static const uint64_t sums[] = {
        0,
        1,
        0xffff,
        0x10000,
        0x1ffff,
        0xffffffff,
        0x1ffffffff,
        UINT64_MAX,
        UINT64_MAX - 1,
        (uint64_t)1 << 63,
        0xfffeffffffff0001,
    };
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        uint64_t expected = sums[i] % 0xffff;
        if (expected == 0 && sums[i] != 0) expected = 0xffff;
        assert_int_equal(sw_sum_fold(sums[i]), expected);
    }
}

static void test_pseudo_sums_equal_the_plain_ones(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed < 200; seed++) {
        uint8_t ip[40];
        fill_random(ip, sizeof ip, seed * 77);
        uint8_t protocol = (uint8_t)seed;
        size_t len = seed * 331 % 65536;
        ip[0] = 0x45;
        assert_int_equal(one_zero(folded(sw_sum_pseudo_ip4(ip, protocol, len))),
                         one_zero(plain_pseudo_sum(ip, protocol, len)));
        ip[0] = 0x60;
        assert_int_equal(one_zero(folded(sw_sum_pseudo_ip6(ip, protocol, len))),
                         one_zero(plain_pseudo_sum(ip, protocol, len)));
    }
}

static void test_header_checksum_covers_options(void **state)
{
    (void)state;
    for (uint8_t ihl = 5; ihl <= 15; ihl++) {
        uint8_t ip[60];
        fill_random(ip, sizeof ip, ihl);
        ip[0] = (uint8_t)(0x40 | ihl);
        sw_checksum_ip4_header(ip, ihl * 4u);
        assert_true(plain_ip4_header_ok(ip));
    }
}

static void check_complete(const char *in, const char *expected, const struct sw_vnet *vnet)
{
    for (size_t shift = 0; shift < 4; shift++) {
        uint8_t buffer[128], want[128];
        size_t len = unhex(in, buffer + shift);
        assert_int_equal(unhex(expected, want), len);
        assert_int_equal(sw_checksum_complete(buffer + shift, len, vnet), 0);
        assert_memory_equal(buffer + shift, want, len);
    }
}

static const struct sw_vnet udp4 = {SW_VNET_NEEDS_CSUM, 0, 0, 0, 20, 6};
static const struct sw_vnet tcp4 = {SW_VNET_NEEDS_CSUM, 0, 0, 0, 20, 16};

#define C1_IN  "4500002100034000401123900a1401090a14020904d2162e000d175868656c6c6f"
#define C1_OUT "4500002100034000401123900a1401090a14020904d2162e000d89c868656c6c6f"

static void test_complete_sums_an_odd_udp_packet(void **state)
{
    (void)state;
    check_complete(C1_IN, C1_OUT, &udp4);
}

static void test_complete_writes_a_udp_zero_as_ffff(void **state)
{
    (void)state;
    check_complete("4500002000034000401123910a1401090a14020904d2162e000c1757cd9c0000",
                   "4500002000034000401123910a1401090a14020904d2162e000cffffcd9c0000", &udp4);
}

static void test_complete_leaves_a_tcp_zero(void **state)
{
    (void)state;
    check_complete(
        "4500002c00034000400623900a1401090a14020904d2162e00000001000000025010ffff175800007d940000",
        "4500002c00034000400623900a1401090a14020904d2162e00000001000000025010ffff000000007d940000",
        &tcp4);
}

static void test_complete_knows_udp_over_ipv6_and_no_other_version(void **state)
{
    (void)state;
    uint8_t packet[48] = {0x60, [6] = 17}; /* sums to zero: everything else is zero but the field */
    struct sw_vnet vnet = {SW_VNET_NEEDS_CSUM, 0, 0, 0, 40, 6};
    packet[46] = packet[47] = 0xff;
    assert_int_equal(sw_checksum_complete(packet, sizeof packet, &vnet), 0);
    assert_int_equal(sw_get_be16(packet + 46), 0xffff);

    packet[6] = 6; /* as TCP the zero stays */
    assert_int_equal(sw_checksum_complete(packet, sizeof packet, &vnet), 0);
    assert_int_equal(sw_get_be16(packet + 46), 0);

    packet[0] = 0x50; /* neither version: both places say UDP, neither is asked */
    packet[6] = packet[9] = 17;
    packet[46] = packet[47] = 0xff;
    assert_int_equal(sw_checksum_complete(packet, sizeof packet, &vnet), 0);
    assert_int_equal(sw_get_be16(packet + 46), 0);
}

static void test_complete_refuses_fields_outside_and_changes_nothing(void **state)
{
    (void)state;
    static const struct sw_vnet bad[] = {
        {SW_VNET_NEEDS_CSUM, 0, 0, 0, 20, 12},       {SW_VNET_NEEDS_CSUM, 0, 0, 0, 33, 0},
        {SW_VNET_NEEDS_CSUM, 0, 0, 0, 34, 6},        {SW_VNET_NEEDS_CSUM, 0, 0, 0, 0, 32},
        {SW_VNET_NEEDS_CSUM, 0, 0, 0, 65535, 6},     {SW_VNET_NEEDS_CSUM, 0, 0, 0, 20, 65535},
        {SW_VNET_NEEDS_CSUM, 0, 0, 0, 65535, 65535},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t packet[64], before[64];
        size_t len = unhex(C1_IN, packet);
        memcpy(before, packet, len);
        assert_int_equal(sw_checksum_complete(packet, len, &bad[i]), SW_EVNET);
        assert_memory_equal(packet, before, len);
    }
    uint8_t none = 0x45;
    assert_int_equal(sw_checksum_complete(&none, 0, &udp4), SW_EVNET);
    assert_int_equal(sw_checksum_complete(&none, 1, &udp4), SW_EVNET);
}

static void test_complete_accepts_the_last_possible_field(void **state)
{
    (void)state;
    uint8_t packet[2] = {0x12, 0x34};
    struct sw_vnet vnet = {.flags = SW_VNET_NEEDS_CSUM};
    assert_int_equal(sw_checksum_complete(packet, sizeof packet, &vnet), 0);
    assert_int_equal(sw_get_be16(packet), 0xedcb);
}

/* A word of a packet as the update takes it. */
static uint32_t word(uint32_t host)
{
    return __builtin_bswap32(host);
}

static void test_replace_gives_the_rfc_1624_value(void **state)
{
    (void)state;
    uint8_t field[2] = {0x46, 0xbd};
    sw_checksum_replace32(field, word(0x0a041721), word(0x0a0414d0), false);
    assert_int_equal(sw_get_be16(field), 0x490e);
}

static void test_replace_rewrites_c1_into_r1(void **state)
{
    (void)state;
    uint8_t packet[64], want[64];
    size_t len = unhex(C1_OUT, packet);
    unhex("45000021000340004011252b0a1401090a7d000504d2162e000d8b6368656c6c6f", want);
    sw_put_be32(packet + 16, 0x0a7d0005);
    sw_checksum_replace32(packet + 10, word(0x0a140209), word(0x0a7d0005), false);
    sw_checksum_replace32(packet + 26, word(0x0a140209), word(0x0a7d0005), true);
    assert_memory_equal(packet, want, len);
    assert_true(plain_packet_ok(packet, len));
}

static void test_replace_equals_a_sum_from_scratch(void **state)
{
    (void)state;
    static const uint32_t interesting[] = {0,          1,          0xffff,     0x10000, 0xffff0000,
                                           0xffffffff, 0xfffffffe, 0x00010001, 0x8000};
    size_t n = sizeof interesting / sizeof interesting[0];
    for (uint32_t seed = 1; seed < 3000; seed++) {
        uint8_t ip[20];
        uint32_t old, new_;
        fill_random(ip, sizeof ip, seed * 2654435761u);
        ip[0] = 0x45;
        if (seed % 2 == 0) sw_put_be32(ip + 12, interesting[seed / 2 % n]);
        sw_checksum_ip4_header(ip, 20);
        memcpy(&old, ip + 12, 4);
        fill_random((uint8_t *)&new_, 4, seed);
        if (seed % 3 == 0) new_ = interesting[seed / 3 % n];
        memcpy(ip + 12, &new_, 4);
        sw_checksum_replace32(ip + 10, old, new_, false);

        uint8_t scratch[20];
        memcpy(scratch, ip, 20);
        sw_checksum_ip4_header(scratch, 20);
        assert_memory_equal(ip, scratch, 20);
    }
}

static void test_replace_keeps_udp_none_and_never_makes_it(void **state)
{
    (void)state;
    uint8_t field[2] = {0, 0};
    sw_checksum_replace32(field, word(0x0a140209), word(0x0a7d0005), true);
    assert_int_equal(sw_get_be16(field), 0);

    /* ~0x0002 + ~0x00010000 + 0x00030000 is 0xffff: the update gives zero */
    sw_put_be16(field, 2);
    sw_checksum_replace32(field, word(0x00010000), word(0x00030000), true);
    assert_int_equal(sw_get_be16(field), 0xffff);
    sw_put_be16(field, 2);
    sw_checksum_replace32(field, word(0x00010000), word(0x00030000), false);
    assert_int_equal(sw_get_be16(field), 0);

    /* and back out of the 0xffff that stands for zero */
    sw_put_be16(field, 0xffff);
    sw_checksum_replace32(field, word(0x00030000), word(0x00010000), true);
    assert_int_equal(sw_get_be16(field), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum_equals_the_plain_one_for_all_lengths_and_alignments),
        cmocka_unit_test(test_sum_carries_when_every_bit_is_set),
        cmocka_unit_test(test_sum_is_not_lost_in_a_start_value),
        cmocka_unit_test(test_sum_copy_copies_and_sums_all_lengths_and_alignments),
        cmocka_unit_test(test_fold_reaches_16_bits_from_any_sum),
        cmocka_unit_test(test_pseudo_sums_equal_the_plain_ones),
        cmocka_unit_test(test_header_checksum_covers_options),
        cmocka_unit_test(test_complete_sums_an_odd_udp_packet),
        cmocka_unit_test(test_complete_writes_a_udp_zero_as_ffff),
        cmocka_unit_test(test_complete_leaves_a_tcp_zero),
        cmocka_unit_test(test_complete_knows_udp_over_ipv6_and_no_other_version),
        cmocka_unit_test(test_complete_refuses_fields_outside_and_changes_nothing),
        cmocka_unit_test(test_complete_accepts_the_last_possible_field),
        cmocka_unit_test(test_replace_gives_the_rfc_1624_value),
        cmocka_unit_test(test_replace_rewrites_c1_into_r1),
        cmocka_unit_test(test_replace_equals_a_sum_from_scratch),
        cmocka_unit_test(test_replace_keeps_udp_none_and_never_makes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
