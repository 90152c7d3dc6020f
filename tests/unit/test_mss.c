/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Clamping the MSS option of SYN packets: docs/protocol/session.md §17. */

#include "lib/offload/mss.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "tests/unit/guard.h"
#include "tests/unit/packet_bytes.h"

#define SYN     0x02
#define SYN_ACK 0x12
#define ACK     0x10

/* A TCP packet whose options, up to 40 bytes of hexadecimal text, are padded with zeros to whole
 * words, with a correct checksum over them and the payload. Bytes. */
static size_t tcp_packet(uint8_t *out, uint8_t flags, const char *options, size_t payload)
{
    uint8_t bytes[64] = {0};
    size_t n = unhex(options, bytes);
    size_t header = 20 + (n + 3) / 4 * 4, len = 20 + header + payload;

    memset(out, 0, 40);
    out[0] = 0x45;
    sw_put_be16(out + 2, (uint16_t)len);
    out[8] = 64;
    out[9] = SW_IPPROTO_TCP;
    memcpy(out + 12, "\x0a\x01\x02\x03\x0a\x04\x05\x06", 8);
    sw_put_be16(out + 10, plain_checksum(out, 20, 0));
    sw_put_be16(out + 20, 50000);
    sw_put_be16(out + 22, 443);
    out[32] = (uint8_t)(header / 4 << 4);
    out[33] = flags;
    memcpy(out + 40, bytes, header - 20);
    for (size_t i = 0; i < payload; i++)
        out[20 + header + i] = (uint8_t)(i * 7 + 1);
    sw_put_be16(out + 36, plain_checksum(out + 20, len - 20,
                                         plain_pseudo_sum(out, SW_IPPROTO_TCP, len - 20)));
    return len;
}

/* As the engine does it. */
static bool clamp(uint8_t *packet, size_t len, uint16_t limit)
{
    struct sw_packet ip;
    assert_int_equal(sw_packet_parse(packet, len, &ip), 0);
    return sw_is_tcp_syn(packet, &ip) && sw_mss_clamp(packet, &ip, limit);
}

static void test_larger_values_become_the_limit(void **state)
{
    static const uint8_t flags[] = {SYN, SYN_ACK, SYN | 0xc0};
    uint8_t packet[128];
    (void)state;
    for (size_t i = 0; i < sizeof flags; i++) {
        size_t len =
            tcp_packet(packet, flags[i], "020405b4 0402 080a0000000100000000 01 030307", 0);
        assert_true(clamp(packet, len, 1207));
        assert_int_equal(sw_get_be16(packet + 42), 1207);
        assert_true(plain_packet_ok(packet, len));
        assert_false(clamp(packet, len, 1207));
    }
}

static void test_smaller_values_stay(void **state)
{
    static const char *const options[] = {"02040218", "020404b7", "02040000", ""};
    uint8_t packet[128], before[128];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        size_t len = tcp_packet(packet, SYN, options[i], 10);
        memcpy(before, packet, len);
        assert_false(clamp(packet, len, 1207));
        assert_memory_equal(packet, before, len);
    }
}

static void test_the_option_may_be_anywhere(void **state)
{
    uint8_t packet[128];
    char options[200];
    (void)state;
    for (unsigned padding = 0; padding <= 36; padding++)
        for (size_t payload = 0; payload < 4; payload++) {
            options[0] = '\0';
            for (unsigned i = 0; i < padding; i++)
                strcat(options, "01");
            strcat(options, "0204ffff");
            size_t len = tcp_packet(packet, SYN, options, payload);
            assert_true(clamp(packet, len, 1300));
            assert_int_equal(sw_get_be16(packet + 40 + padding + 2), 1300);
            assert_true(plain_packet_ok(packet, len));
        }
}

static void test_other_packets_are_left_alone(void **state)
{
    uint8_t packet[128], before[128];
    (void)state;
    size_t len = tcp_packet(packet, ACK, "020405b4", 50);
    assert_false(clamp(packet, len, 1000));

    len = tcp_packet(packet, SYN, "020405b4", 0);
    packet[9] = SW_IPPROTO_UDP;
    assert_false(clamp(packet, len, 1000));

    len = tcp_packet(packet, SYN, "020405b4", 0);
    sw_put_be16(packet + 6, 3); /* a later fragment: no header there */
    memcpy(before, packet, len);
    assert_false(clamp(packet, len, 1000));
    assert_memory_equal(packet, before, len);

    len = tcp_packet(packet, SYN, "020405b4", 0);
    sw_put_be16(packet + 2, 39); /* too short for a TCP header */
    assert_false(clamp(packet, 39, 1000));
}

static void test_a_wrong_checksum_stays_wrong(void **state)
{
    uint8_t packet[128];
    (void)state;
    size_t len = tcp_packet(packet, SYN, "01020405b4", 5);
    packet[36] ^= 0x10;
    assert_true(clamp(packet, len, 1000));
    assert_int_equal(sw_get_be16(packet + 43), 1000);
    assert_false(plain_packet_ok(packet, len));
}

static void test_options_that_cannot_be_read_end_the_walk(void **state)
{
    static const char *const options[] = {
        "0300 020405b4",     /* length 0 would loop */
        "0301 020405b4",     /* length that does not cover itself */
        "03ff 020405b4",     /* beyond the header */
        "00000000 020405b4", /* behind the end of the list */
        "020305b4",          /* MSS options of other lengths are none */
        "02050005b4",        /**/
        "0101 0204",         /* cut off */
        "010101 02",         /**/
    };
    uint8_t packet[128], before[128];
    (void)state;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        size_t len = tcp_packet(packet, SYN, options[i], 0);
        memcpy(before, packet, len);
        assert_false(clamp(packet, len, 500));
        assert_memory_equal(packet, before, len);
    }
}

static void test_every_option_before_a_bad_one_counts(void **state)
{
    uint8_t packet[128];
    (void)state;
    size_t len = tcp_packet(packet, SYN, "020405b4 01 020405b4 0300 020405b4", 0);
    assert_true(clamp(packet, len, 900));
    assert_int_equal(sw_get_be16(packet + 42), 900);
    assert_int_equal(sw_get_be16(packet + 47), 900);
    assert_int_equal(sw_get_be16(packet + 53), 1460);
    assert_true(plain_packet_ok(packet, len));
}

static void test_a_header_longer_than_the_packet_is_left_alone(void **state)
{
    uint8_t packet[128], before[128];
    (void)state;
    size_t len = tcp_packet(packet, SYN, "020405b4", 0);
    packet[32] = 0x70;
    memcpy(before, packet, len);
    assert_false(clamp(packet, len, 900));
    assert_memory_equal(packet, before, len);
    packet[32] = 0x40; /* shorter than a header can be */
    assert_false(clamp(packet, len, 900));
}

/* Whatever the options are: no byte outside the packet is touched, a right checksum stays right,
 * and nothing but MSS values changes. */
static void test_random_options(void **state)
{
    struct guard g = guard_new(256);
    uint64_t random = 4;
    uint8_t packet[128];
    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        char options[96] = "";
        size_t n = random_below(&random, 41);
        for (size_t i = 0; i < n; i++) {
            unsigned byte =
                (unsigned)random_below(&random, random_below(&random, 3) == 0 ? 256 : 6);
            snprintf(options + strlen(options), 3, "%02x", byte);
        }
        size_t len = tcp_packet(packet, SYN, options, random_below(&random, 9));
        uint8_t *room = guard_copy(&g, packet, len);
        uint16_t limit = (uint16_t)random_below(&random, 2000);
        bool changed = clamp(room, len, limit);
        assert_true(guard_intact(&g, len));
        assert_true(plain_packet_ok(room, len));
        assert_int_equal(changed, memcmp(room, packet, len) != 0);
        assert_false(clamp(room, len, limit));
    }
    guard_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_larger_values_become_the_limit),
        cmocka_unit_test(test_smaller_values_stay),
        cmocka_unit_test(test_the_option_may_be_anywhere),
        cmocka_unit_test(test_other_packets_are_left_alone),
        cmocka_unit_test(test_a_wrong_checksum_stays_wrong),
        cmocka_unit_test(test_options_that_cannot_be_read_end_the_walk),
        cmocka_unit_test(test_every_option_before_a_bad_one_counts),
        cmocka_unit_test(test_a_header_longer_than_the_packet_is_left_alone),
        cmocka_unit_test(test_random_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
