/* SPDX-License-Identifier: GPL-3.0-or-later */

/* "Fragmentation needed" (RFC 792, RFC 1191), and what must not be answered (RFC 1122 §3.2.2). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/engine/icmp.h"
#include "tests/unit/packet_bytes.h"

/* IPv4 UDP 10.0.0.1 -> 192.0.2.9, 40 bytes; no checksum in it matters here */
#define PACKET                                                                                     \
    "45 00 0028 1234 0000 40 11 0000 0a000001 c0000209 "                                           \
    "03e8 07d0 0014 0000 000102030405060708090a0b"

static void test_the_answer_byte_by_byte(void **state)
{
    uint8_t packet[64], expected[64], out[SW_ICMP_MAX];
    size_t len = unhex(PACKET, packet);

    (void)state;
    unhex("45 00 0038 0000 0000 40 01 0000 c0000209 0a000001 "
          "03 04 0000 0000 0546 45 00 0028 1234 0000 40 11 0000 0a000001 c0000209 "
          "03e8 07d0 0014 0000",
          expected);
    assert_int_equal(sw_icmp_too_big(packet, len, 1350, out), 56);
    assert_true(plain_packet_ok(out, 56));
    memset(out + 10, 0, 2); /* both checksums have been verified */
    memset(out + 22, 0, 2);
    assert_memory_equal(out, expected, 56);
}

static void test_ip_options_are_quoted(void **state)
{
    uint8_t packet[128] = {0}, out[SW_ICMP_MAX];
    size_t len = unhex(PACKET, packet);

    (void)state;
    memmove(packet + 60, packet + 20, len - 20);
    memset(packet + 20, 1, 40);
    packet[0] = 0x4f;
    packet[3] = 80;
    assert_int_equal(sw_icmp_too_big(packet, 80, 1350, out), SW_ICMP_MAX);
    assert_true(plain_packet_ok(out, SW_ICMP_MAX));
    assert_memory_equal(out + 28, packet, 68);
}

static void test_what_must_not_be_answered(void **state)
{
    static const struct {
        const char *what;
        size_t at;
        uint8_t byte;
    } changes[] = {
        {"later fragment", 7, 1},         {"from a group", 12, 224},
        {"to a group", 16, 239},          {"from this network", 12, 0},
        {"to broadcast", 16, 255},        {"not IPv4", 0, 0x60},
        {"header too short", 0, 0x44},    {"longer than it is", 3, 0x29},
        {"no transport header", 3, 0x1b}, {"header longer than the packet", 0, 0x4f},
    };

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint8_t packet[64], out[SW_ICMP_MAX];
        size_t len = unhex(PACKET, packet);
        packet[changes[i].at] = changes[i].byte;
        if (sw_icmp_too_big(packet, len, 1350, out) != 0) fail_msg("%s", changes[i].what);
    }
}

static void test_icmp_errors_are_not_answered_and_echoes_are(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        uint8_t packet[64], out[SW_ICMP_MAX];
        size_t len = unhex(PACKET, packet);
        bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        packet[9] = 1;
        packet[20] = (uint8_t)type;
        assert_int_equal(sw_icmp_too_big(packet, len, 1350, out), error ? 0 : 56);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_answer_byte_by_byte),
        cmocka_unit_test(test_ip_options_are_quoted),
        cmocka_unit_test(test_what_must_not_be_answered),
        cmocka_unit_test(test_icmp_errors_are_not_answered_and_echoes_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
