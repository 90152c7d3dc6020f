/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The shape of an inside packet: docs/protocol/session.md §15. */

#include "lib/offload/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/packet_bytes.h"

#define UDP_PACKET "4500002100034000401123900a1401090a14020904d2162e000d89c868656c6c6f"

static void test_parse_reads_lengths_and_protocol(void **state)
{
    (void)state;
    uint8_t packet[64];
    struct sw_packet p;
    size_t len = unhex(UDP_PACKET, packet);
    assert_int_equal(sw_packet_parse(packet, len, &p), 0);
    assert_int_equal(p.header_len, 20);
    assert_int_equal(p.total_len, 33);
    assert_int_equal(p.protocol, SW_IPPROTO_UDP);
    assert_false(p.fragment);
    assert_false(p.later_fragment);
}

static void test_parse_ignores_padding_behind_the_packet(void **state)
{
    (void)state;
    uint8_t packet[64] = {0};
    struct sw_packet p;
    unhex(UDP_PACKET, packet);
    assert_int_equal(sw_packet_parse(packet, 46, &p), 0);
    assert_int_equal(p.total_len, 33);
}

static void test_parse_refuses_every_truncation(void **state)
{
    (void)state;
    uint8_t packet[64];
    struct sw_packet p;
    size_t len = unhex(UDP_PACKET, packet);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(sw_packet_parse(packet, cut, &p), SW_EPACKET);
    }
}

static void test_parse_judges_version_and_lengths(void **state)
{
    (void)state;
    static const struct {
        uint8_t first;
        uint16_t total;
        size_t len;
        int result;
    } cases[] = {
        {0x45, 20, 20, 0},          {0x45, 19, 60, SW_EPACKET},    {0x45, 0, 60, SW_EPACKET},
        {0x44, 60, 60, SW_EPACKET}, {0x40, 60, 60, SW_EPACKET},    {0x4f, 60, 60, 0},
        {0x4f, 59, 60, SW_EPACKET}, {0x4f, 59, 59, SW_EPACKET},    {0x46, 23, 60, SW_EPACKET},
        {0x65, 40, 60, SW_EPACKET}, {0x55, 40, 60, SW_EPACKET},    {0x05, 40, 60, SW_EPACKET},
        {0x45, 61, 60, SW_EPACKET}, {0x45, 65535, 60, SW_EPACKET},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t packet[60] = {cases[i].first, 0, (uint8_t)(cases[i].total >> 8),
                              (uint8_t)cases[i].total};
        struct sw_packet p;
        assert_int_equal(sw_packet_parse(packet, cases[i].len, &p), cases[i].result);
    }
}

static void test_parse_tells_fragments_apart(void **state)
{
    (void)state;
    static const struct {
        uint8_t high, low;
        bool fragment, later;
    } cases[] = {
        {0x00, 0x00, false, false}, {0x40, 0x00, false, false}, {0x80, 0x00, false, false},
        {0x20, 0x00, true, false},  {0x20, 0x01, true, true},   {0x00, 0x01, true, true},
        {0x1f, 0xff, true, true},   {0x10, 0x00, true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t packet[64];
        struct sw_packet p;
        size_t len = unhex(UDP_PACKET, packet);
        packet[6] = cases[i].high;
        packet[7] = cases[i].low;
        assert_int_equal(sw_packet_parse(packet, len, &p), 0);
        assert_int_equal(p.fragment, cases[i].fragment);
        assert_int_equal(p.later_fragment, cases[i].later);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_reads_lengths_and_protocol),
        cmocka_unit_test(test_parse_ignores_padding_behind_the_packet),
        cmocka_unit_test(test_parse_refuses_every_truncation),
        cmocka_unit_test(test_parse_judges_version_and_lengths),
        cmocka_unit_test(test_parse_tells_fragments_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
