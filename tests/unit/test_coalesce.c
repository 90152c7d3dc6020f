/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Putting packets together: docs/offload.md C.2, D.1 (coalescing), D.2 (vectors backwards), F.13.
 */

#include "lib/offload/coalesce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/coalesce_check.h"

#define PACKET_MAX 65535
#define UDP        17

static int set_up(void **state)
{
    *state = checked_new();
    return 0;
}

static int tear_down(void **state)
{
    checked_free(*state);
    return 0;
}

static const struct sw_coalesce_counters *counters(const struct checked *k)
{
    return sw_coalesce_counters(k->c);
}

static void push(struct checked *k, const struct recipe *r)
{
    static uint8_t packet[PACKET_MAX];
    checked_push(k, packet, build(r, packet));
}

/* Packet number n of a flow that sends payloads of equal size. */
static struct recipe nth(uint8_t protocol, uint8_t flow, unsigned n, size_t payload)
{
    return (struct recipe){
        .protocol = protocol,
        .flow = flow,
        .id = (uint16_t)(100 + n),
        .sequence = 5000 + n * (uint32_t)payload,
        .payload = payload,
        .content = flow * 1000u + n,
    };
}

static void push_nth(struct checked *k, uint8_t protocol, uint8_t flow, unsigned n, size_t payload)
{
    struct recipe r = nth(protocol, flow, n, payload);
    push(k, &r);
}

/* Flushes; the writes since the last clear must have had these segments, 0 at the end. */
static void expect_writes(struct checked *k, const unsigned *segments)
{
    sw_coalesce_flush(k->c);
    unsigned n = 0;
    while (segments[n] != 0)
        n++;
    assert_int_equal(k->written, n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(k->writes[i].segments, segments[i]);
    assert_true(checked_order_ok(k));
    assert_true(checked_counters_ok(k));
}

#define EXPECT_WRITES(k, ...) expect_writes(k, (const unsigned[]){__VA_ARGS__, 0})

/* --- vectors ------------------------------------------------------------------------------------
 */

static const struct vector {
    struct sw_vnet vnet;
    const char *super;
    const char *packets[3];
} vectors[] = {
    {{SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 40, 8, 20, 16}, /* PSH and FIN on the last */
     "4500003c00014000400623820a1401090a14020904d2162e10000000000020005019ffff17680000"
     "303132333435363738393a3b3c3d3e3f40414243",
     {
         "45000030000140004006238e0a1401090a14020904d2162e10000000000020005010ffff80c20000"
         "3031323334353637",
         "45000030000240004006238d0a1401090a14020904d2162e10000008000020005010ffff609a0000"
         "38393a3b3c3d3e3f",
         "4500002c00034000400623900a1401090a14020904d2162e10000010000020005019ffffcaf90000"
         "40414243",
     }},
    {{SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 52, 8, 20, 16}, /* timestamps */
     "4500004800074000400623700a1401090a14020904d2162e10000000000020008018ffff17740000"
     "0101080a0000000100000002303132333435363738393a3b3c3d3e3f40414243",
     {
         "4500003c000740004006237c0a1401090a14020904d2162e10000000000020008010ffff47a80000"
         "0101080a00000001000000023031323334353637",
         "4500003c000840004006237b0a1401090a14020904d2162e10000008000020008010ffff27800000"
         "0101080a000000010000000238393a3b3c3d3e3f",
         "45000038000940004006237e0a1401090a14020904d2162e10000010000020008018ffff91e00000"
         "0101080a000000010000000240414243",
     }},
    {{SW_VNET_NEEDS_CSUM, SW_GSO_UDP_L4, 28, 8, 20, 6},
     "4500003012344000401111500a1401090a14020904d2162e001c1767303132333435363738393a3b"
     "3c3d3e3f40414243",
     {
         "45000024123440004011115c0a1401090a14020904d2162e001000c43031323334353637",
         "45000024123540004011115b0a1401090a14020904d2162e0010e0a338393a3b3c3d3e3f",
         "45000020123640004011115e0a1401090a14020904d2162e000c4b1840414243",
     }},
};

static void test_segments_of_the_kernel_become_its_superpacket(void **state)
{
    struct checked *k = *state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t packet[256], super[256];
        for (size_t n = 0; n < 3; n++)
            checked_push(k, packet, unhex(vectors[i].packets[n], packet));
        EXPECT_WRITES(k, 3);
        size_t len = unhex(vectors[i].super, super);
        assert_int_equal(k->writes[0].packet.len, len);
        assert_memory_equal(k->writes[0].packet.data, super, len);
        assert_memory_equal(&k->writes[0].vnet, &vectors[i].vnet, sizeof vectors[i].vnet);
        checked_clear(k);
    }
}

/* --- rules --------------------------------------------------------------------------------------
 */

enum repair { NOTHING, IP_HEADER, BOTH };

/* A bit changed in the second of two packets that would otherwise be merged. */
static const struct rule {
    const char *name;
    uint8_t protocol;
    size_t offset;
    uint8_t flip;
    enum repair repair; /* which checksums are made right again */
    enum sw_coalesce_reason reason;
} rules[] = {
    {"tos", 6, 1, 0x10, BOTH, SW_COALESCE_FIELDS},
    {"ecn", 6, 1, 0x03, BOTH, SW_COALESCE_FIELDS},
    {"ttl", 6, 8, 1, BOTH, SW_COALESCE_FIELDS},
    {"no df", 6, 6, 0x40, BOTH, SW_COALESCE_FIELDS},
    {"ack", 6, 28, 1, BOTH, SW_COALESCE_FIELDS},
    {"ack, last byte", 6, 31, 1, BOTH, SW_COALESCE_FIELDS},
    {"window", 6, 34, 1, BOTH, SW_COALESCE_FIELDS},
    {"window, last byte", 6, 35, 1, BOTH, SW_COALESCE_FIELDS},
    {"urgent pointer", 6, 39, 1, BOTH, SW_COALESCE_FIELDS},
    {"first option byte", 6, 40, 1, BOTH, SW_COALESCE_FIELDS},
    {"last option byte", 6, 51, 1, BOTH, SW_COALESCE_FIELDS},
    {"id", 6, 5, 2, BOTH, SW_COALESCE_ID},
    {"id, first byte", 6, 4, 1, BOTH, SW_COALESCE_ID},
    {"sequence", 6, 27, 1, BOTH, SW_COALESCE_SEQUENCE},
    {"sequence, first byte", 6, 24, 0x80, BOTH, SW_COALESCE_SEQUENCE},
    {"syn", 6, 33, TCP_SYN, BOTH, SW_COALESCE_FLAGS},
    {"rst", 6, 33, TCP_RST, BOTH, SW_COALESCE_FLAGS},
    {"urg", 6, 33, TCP_URG, BOTH, SW_COALESCE_FLAGS},
    {"ece", 6, 33, TCP_ECE, BOTH, SW_COALESCE_FLAGS},
    {"cwr", 6, 33, TCP_CWR, BOTH, SW_COALESCE_FLAGS},
    {"no ack", 6, 33, TCP_ACK, BOTH, SW_COALESCE_FLAGS},
    {"reserved flag", 6, 32, 1, BOTH, SW_COALESCE_FLAGS},
    {"more fragments", 6, 6, 0x20, BOTH, SW_COALESCE_FRAGMENT},
    {"later fragment", 6, 7, 1, BOTH, SW_COALESCE_FRAGMENT},
    {"reserved ip flag", 6, 6, 0x80, BOTH, SW_COALESCE_FRAGMENT},
    {"ip options", 6, 0, 0x03, IP_HEADER, SW_COALESCE_OPTIONS},
    {"ip header too short", 6, 0, 0x01, IP_HEADER, SW_COALESCE_OPTIONS},
    {"ip version", 6, 0, 0x20, IP_HEADER, SW_COALESCE_LENGTH},
    {"total length", 6, 3, 1, IP_HEADER, SW_COALESCE_LENGTH},
    {"tcp header too short", 6, 32, 0xc0, BOTH, SW_COALESCE_HEADER},
    {"ip checksum", 6, 10, 1, NOTHING, SW_COALESCE_CHECKSUM},
    {"tcp checksum", 6, 36, 1, NOTHING, SW_COALESCE_CHECKSUM},
    {"tcp payload", 6, 60, 1, NOTHING, SW_COALESCE_CHECKSUM},
    {"last byte of tcp payload", 6, 151, 1, NOTHING, SW_COALESCE_CHECKSUM},
    {"udp: tos", UDP, 1, 0x10, BOTH, SW_COALESCE_FIELDS},
    {"udp: ttl", UDP, 8, 1, BOTH, SW_COALESCE_FIELDS},
    {"udp: no df", UDP, 6, 0x40, BOTH, SW_COALESCE_FIELDS},
    {"udp: id", UDP, 5, 2, BOTH, SW_COALESCE_ID},
    {"udp: more fragments", UDP, 6, 0x20, BOTH, SW_COALESCE_FRAGMENT},
    {"udp: ip options", UDP, 0, 0x03, IP_HEADER, SW_COALESCE_OPTIONS},
    {"udp: length", UDP, 25, 1, BOTH, SW_COALESCE_HEADER},
    {"udp: ip checksum", UDP, 11, 1, NOTHING, SW_COALESCE_CHECKSUM},
    {"udp: checksum", UDP, 27, 1, NOTHING, SW_COALESCE_CHECKSUM},
    {"udp: payload", UDP, 127, 1, NOTHING, SW_COALESCE_CHECKSUM},
};

static struct recipe rule_packet(uint8_t protocol, unsigned n)
{
    struct recipe r = nth(protocol, 0, n, 100);
    if (protocol == 6) r.options = 12;
    return r;
}

static void check_rule(struct checked *k, const struct rule *rule)
{
    uint8_t packet[256];
    uint64_t before = counters(k)->reasons[rule->reason];

    for (unsigned n = 0; n < 2; n++) {
        struct recipe r = rule_packet(rule->protocol, n);
        size_t len = build(&r, packet);
        if (n == 1) packet[rule->offset] ^= rule->flip;
        if (n == 1 && rule->repair != NOTHING) checksum_ip(packet);
        if (n == 1 && rule->repair == BOTH) checksum_transport(packet, len);
        checked_push(k, packet, len);
    }
    EXPECT_WRITES(k, 1, 1);
    assert_int_equal(counters(k)->reasons[rule->reason], before + 1);
    checked_clear(k);

    /* The same two without the change are one. */
    for (unsigned n = 0; n < 2; n++) {
        struct recipe r = rule_packet(rule->protocol, n);
        push(k, &r);
    }
    EXPECT_WRITES(k, 2);
    checked_clear(k);
}

static void test_each_rule_keeps_packets_apart(void **state)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        print_message("rule: %s\n", rules[i].name);
        check_rule(*state, &rules[i]);
    }
}

static void test_other_addresses_ports_or_protocol_are_other_flows(void **state)
{
    static const size_t offsets[] = {12, 15, 16, 19, 20, 21, 22, 23};
    struct checked *k = *state;
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        uint8_t packet[256];
        for (unsigned n = 0; n < 4; n++) { /* both flows have two packets, alternating */
            struct recipe r = nth(6, 0, n / 2, 100);
            size_t len = build(&r, packet);
            if (n % 2 == 1) packet[offsets[i]] ^= 1;
            checksum_packet(packet, len);
            checked_push(k, packet, len);
        }
        EXPECT_WRITES(k, 2, 2);
        checked_clear(k);
    }
    for (unsigned n = 0; n < 4; n++)
        push_nth(k, n % 2 == 0 ? 6 : UDP, 0, n / 2, 100);
    EXPECT_WRITES(k, 2, 2);
}

static void test_headers_of_other_length_are_kept_apart(void **state)
{
    struct checked *k = *state;
    for (size_t options = 0; options <= 40; options += 4) {
        struct recipe a = nth(6, 0, 0, 100), b = nth(6, 0, 1, 100);
        a.options = options;
        b.options = 40 - options;
        push(k, &a);
        push(k, &b);
        if (options == 20) {
            EXPECT_WRITES(k, 2);
        } else {
            EXPECT_WRITES(k, 1, 1);
        }
        checked_clear(k);
    }
}

/* --- how runs end -------------------------------------------------------------------------------
 */

static void test_push_and_fin_end_a_run_at_once(void **state)
{
    static const uint8_t flags[] = {TCP_PSH, TCP_FIN, TCP_PSH | TCP_FIN};
    struct checked *k = *state;
    for (size_t i = 0; i < sizeof flags; i++) {
        push_nth(k, 6, 0, 0, 100);
        push_nth(k, 6, 0, 1, 100);
        struct recipe last = nth(6, 0, 2, 100);
        last.flags = flags[i];
        push(k, &last);
        assert_int_equal(k->written, 1); /* before the flush */
        assert_int_equal(k->writes[0].packet.data[33], TCP_ACK | flags[i]);
        push_nth(k, 6, 0, 3, 100);
        EXPECT_WRITES(k, 3, 1);
        checked_clear(k);
    }
}

static void test_push_without_a_run_goes_alone(void **state)
{
    struct checked *k = *state;
    struct recipe first = nth(6, 0, 0, 100);
    first.flags = TCP_PSH;
    push(k, &first);
    assert_int_equal(k->written, 1);
    push_nth(k, 6, 0, 1, 100);
    push_nth(k, 6, 0, 2, 100);
    EXPECT_WRITES(k, 1, 2);
    assert_int_equal(counters(k)->reasons[SW_COALESCE_PUSHED], 1);
}

static void check_short_end(struct checked *k, uint8_t protocol)
{
    push_nth(k, protocol, 0, 0, 100);
    push_nth(k, protocol, 0, 1, 100);
    struct recipe tail = nth(protocol, 0, 2, 100);
    tail.payload = 99;
    push(k, &tail);
    assert_int_equal(k->written, 1);
    struct recipe next = nth(protocol, 0, 3, 100);
    next.sequence--;
    push(k, &next);
    EXPECT_WRITES(k, 3, 1);
    checked_clear(k);
}

static void test_a_shorter_packet_ends_the_run(void **state)
{
    check_short_end(*state, 6);
    check_short_end(*state, UDP);
}

static void check_longer(struct checked *k, uint8_t protocol)
{
    uint64_t before = counters(k)->reasons[SW_COALESCE_SIZE];
    struct recipe first = nth(protocol, 0, 0, 100), second = first, third = first;
    second.payload = third.payload = 101;
    second.id += 1;
    third.id += 2;
    second.sequence += 100;
    third.sequence += 201;
    push(k, &first);
    push(k, &second);
    push(k, &third);
    EXPECT_WRITES(k, 1, 2);
    assert_int_equal(counters(k)->reasons[SW_COALESCE_SIZE], before + 1);
    checked_clear(k);
}

static void test_a_longer_packet_begins_another_run(void **state)
{
    check_longer(*state, 6);
    check_longer(*state, UDP);
}

static void test_a_superpacket_has_at_most_65535_bytes(void **state)
{
    struct checked *k = *state;
    for (unsigned n = 0; n < 6; n++)
        push_nth(k, 6, 0, n, 13099); /* 40 + 5 * 13099 == 65535 */
    EXPECT_WRITES(k, 5, 1);
    assert_int_equal(k->writes[0].packet.len, 65535);
    assert_int_equal(counters(k)->reasons[SW_COALESCE_FULL], 1);
    checked_clear(k);

    for (unsigned n = 0; n < 4; n++)
        push_nth(k, 6, 0, n, 16374); /* 4 of them are a byte too many */
    EXPECT_WRITES(k, 3, 1);
    assert_int_equal(counters(k)->reasons[SW_COALESCE_FULL], 2);
    checked_clear(k);

    for (unsigned n = 0; n < 4; n++) {
        struct recipe r = nth(6, 0, n, 16374);
        if (n == 3) r.payload--;
        push(k, &r);
    }
    EXPECT_WRITES(k, 4);
    assert_int_equal(k->writes[0].packet.len, 65535);
    checked_clear(k);

    for (unsigned n = 0; n < 4; n++)
        push_nth(k, UDP, 0, n, 21836); /* 28 + 3 * 21836 == 65536 */
    EXPECT_WRITES(k, 2, 2);
    checked_clear(k);

    for (unsigned n = 0; n < 2; n++)
        push_nth(k, 6, 0, n, 65495); /* each as large as IPv4 can be */
    EXPECT_WRITES(k, 1, 1);
}

static void test_udp_runs_have_at_most_64_datagrams(void **state)
{
    struct checked *k = *state;
    for (unsigned n = 0; n < 130; n++) {
        push_nth(k, UDP, 0, n, 20);
        assert_int_equal(k->written, (n + 1) / 64); /* full ones leave at once */
    }
    EXPECT_WRITES(k, 64, 64, 2);
    checked_clear(k);

    for (unsigned n = 0; n < 130; n++)
        push_nth(k, 6, 0, n, 20);
    EXPECT_WRITES(k, 130);
}

static void test_id_and_sequence_wrap(void **state)
{
    struct checked *k = *state;
    for (unsigned n = 0; n < 4; n++) {
        struct recipe r = nth(6, 0, n, 100);
        r.id = (uint16_t)(0xfffe + n);
        r.sequence = 0xffffff38 + n * 100;
        push(k, &r);
    }
    EXPECT_WRITES(k, 4);
}

/* --- what never merges --------------------------------------------------------------------------
 */

static void test_a_pure_ack_never_overtakes_its_flow(void **state)
{
    struct checked *k = *state;
    push_nth(k, 6, 0, 0, 100);
    push_nth(k, 6, 1, 0, 100);
    push_nth(k, 6, 0, 1, 100);
    push_nth(k, 6, 0, 2, 0);
    assert_int_equal(k->written, 2); /* its own flow's run, then the ACK; not the other flow's */
    assert_int_equal(k->writes[0].segments, 2);
    push_nth(k, 6, 1, 1, 100);
    EXPECT_WRITES(k, 2, 1, 2);
    assert_int_equal(counters(k)->reasons[SW_COALESCE_EMPTY], 1);
}

static void test_udp_without_checksum_goes_alone(void **state)
{
    struct checked *k = *state;
    for (unsigned n = 0; n < 3; n++) {
        uint8_t packet[256];
        struct recipe r = nth(UDP, 0, n, 100);
        size_t len = build(&r, packet);
        sw_put_be16(packet + 26, 0);
        checked_push(k, packet, len);
        assert_int_equal(k->written, n + 1);
    }
    push_nth(k, UDP, 0, 3, 0);
    EXPECT_WRITES(k, 1, 1, 1, 1);
    assert_int_equal(counters(k)->reasons[SW_COALESCE_NO_CHECKSUM], 3);
    assert_int_equal(counters(k)->reasons[SW_COALESCE_EMPTY], 1);
}

/* Changes the last two payload bytes (on an even offset) so that the checksum computes to zero. */
static void make_checksum_zero(uint8_t *packet, size_t len)
{
    uint8_t *field = packet + 20 + (packet[9] == 6 ? 16 : 6);
    sw_put_be16(packet + len - 2, 0);
    checksum_transport(packet, len);
    uint16_t sum = sw_get_be16(field);
    sw_put_be16(packet + len - 2, sum);
    checksum_transport(packet, len);
}

static void test_a_checksum_that_computes_to_zero_survives(void **state)
{
    struct checked *k = *state;
    static const uint8_t protocols[] = {6, UDP};
    for (size_t i = 0; i < sizeof protocols; i++) {
        for (unsigned n = 0; n < 2; n++) {
            uint8_t packet[256];
            struct recipe r = nth(protocols[i], 0, n, 100);
            size_t len = build(&r, packet);
            make_checksum_zero(packet, len);
            assert_int_equal(sw_get_be16(packet + (i == 0 ? 36 : 26)), i == 0 ? 0 : 0xffff);
            checked_push(k, packet, len);
        }
        EXPECT_WRITES(k, 2);
        checked_clear(k);
    }
}

/* A receiver accepts it, but no segmenter would give it back. */
static void test_the_other_zero_of_a_tcp_checksum_goes_alone(void **state)
{
    struct checked *k = *state;
    for (unsigned n = 0; n < 2; n++) {
        uint8_t packet[256];
        struct recipe r = nth(6, 0, n, 100);
        size_t len = build(&r, packet);
        if (n == 1) make_checksum_zero(packet, len);
        if (n == 1) sw_put_be16(packet + 36, 0xffff);
        assert_true(plain_packet_ok(packet, len));
        checked_push(k, packet, len);
    }
    EXPECT_WRITES(k, 1, 1);
    assert_int_equal(counters(k)->reasons[SW_COALESCE_CHECKSUM], 1);
}

/* The same in an IP header: the identification is chosen so that its checksum computes to zero. */
static void test_the_other_zero_of_an_ip_checksum_goes_alone(void **state)
{
    struct checked *k = *state;
    uint8_t packet[256];
    struct recipe r = nth(6, 0, 0, 100);
    r.id = 0;
    size_t len = build(&r, packet);
    uint16_t id = sw_get_be16(packet + 10);

    for (unsigned n = 0; n < 2; n++) {
        r = nth(6, 0, n, 100);
        r.id = (uint16_t)(id - 1 + n);
        len = build(&r, packet);
        if (n == 1) assert_int_equal(sw_get_be16(packet + 10), 0);
        if (n == 1) sw_put_be16(packet + 10, 0xffff);
        checked_push(k, packet, len);
    }
    EXPECT_WRITES(k, 1, 1);
    assert_int_equal(counters(k)->reasons[SW_COALESCE_CHECKSUM], 1);
}

static void test_a_damaged_first_packet_begins_no_run(void **state)
{
    struct checked *k = *state;
    uint8_t packet[256];
    struct recipe r = nth(6, 0, 0, 100);
    size_t len = build(&r, packet);
    packet[100] ^= 1;
    checked_push(k, packet, len);
    assert_int_equal(k->written, 1);
    push_nth(k, 6, 0, 1, 100);
    push_nth(k, 6, 0, 2, 100);
    EXPECT_WRITES(k, 1, 2);
    assert_int_equal(counters(k)->reasons[SW_COALESCE_CHECKSUM], 1);
}

static void test_other_protocols_and_scraps_pass_through(void **state)
{
    struct checked *k = *state;
    uint8_t packet[256];
    struct recipe r = nth(6, 0, 0, 100);
    size_t len = build(&r, packet);

    for (size_t cut = 0; cut < len; cut++)
        checked_push(k, packet, cut);
    for (size_t cut = 20; cut < 52; cut++) { /* whole IPv4 packets with less and less in them */
        sw_put_be16(packet + 2, (uint16_t)cut);
        checksum_ip(packet);
        packet[9] = cut % 2 == 0 ? 6 : UDP;
        checked_push(k, packet, cut);
    }
    build(&r, packet);
    packet[32] = 0xf0; /* a TCP header of 60 bytes */
    for (size_t cut = 40; cut < 80; cut++) {
        sw_put_be16(packet + 2, (uint16_t)cut);
        checksum_packet(packet, cut);
        checked_push(k, packet, cut);
    }
    build(&r, packet);
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        if (protocol == 6 || protocol == UDP) continue;
        packet[9] = (uint8_t)protocol;
        checksum_ip(packet);
        checked_push(k, packet, len);
        checked_push(k, packet, len);
    }
    assert_int_equal(counters(k)->singles, k->pushed);
    assert_true(checked_order_ok(k));
    assert_true(checked_counters_ok(k));
    assert_int_equal(counters(k)->reasons[SW_COALESCE_PROTOCOL], 2 * 254);
}

static void test_fragments_let_all_flows_between_their_addresses_go_first(void **state)
{
    struct checked *k = *state;
    uint8_t packet[256];
    for (unsigned n = 0; n < 2; n++) {
        push_nth(k, UDP, 0, n, 100);
        push_nth(k, UDP, 1, n, 100);
        push_nth(k, 6, 0, n, 100);
        struct recipe other = nth(UDP, 0, n, 100);
        size_t other_len = build(&other, packet);
        packet[15] = 77; /* from another address */
        checksum_packet(packet, other_len);
        checked_push(k, packet, other_len);
    }
    struct recipe r = nth(UDP, 2, 0, 100);
    size_t len = build(&r, packet);
    packet[7] = 5; /* a later fragment: no ports */
    checksum_ip(packet);
    checked_push(k, packet, len);
    assert_int_equal(k->written, 3); /* two UDP runs, then the fragment; the others wait */
    assert_int_equal(k->writes[2].segments, 1);
    EXPECT_WRITES(k, 2, 2, 1, 2, 2);
}

/* --- several flows ------------------------------------------------------------------------------
 */

static void test_interleaved_flows_are_merged_each(void **state)
{
    struct checked *k = *state;
    for (unsigned n = 0; n < 10; n++) {
        for (uint8_t flow = 0; flow < SW_COALESCE_FLOWS; flow++)
            push_nth(k, flow % 3 == 2 ? UDP : 6, flow, n, 50 + flow);
    }
    assert_int_equal(k->written, 0);
    sw_coalesce_flush(k->c);
    assert_int_equal(k->written, SW_COALESCE_FLOWS);
    for (unsigned i = 0; i < SW_COALESCE_FLOWS; i++)
        assert_int_equal(k->writes[i].segments, 10);
    assert_true(checked_order_ok(k));
    assert_int_equal(counters(k)->evicted, 0);
}

static void test_one_flow_too_many_evicts_the_one_longest_untouched(void **state)
{
    struct checked *k = *state;
    for (uint8_t flow = 0; flow < SW_COALESCE_FLOWS; flow++)
        push_nth(k, 6, flow, 0, 100);
    push_nth(k, 6, 0, 1, 100); /* flow 0 is touched again: flow 1 is the oldest now */
    assert_int_equal(k->written, 0);
    push_nth(k, 6, SW_COALESCE_FLOWS, 0, 100);
    assert_int_equal(k->written, 1);
    assert_int_equal(sw_get_be16(k->writes[0].packet.data + 20), 1234 + 1);
    assert_int_equal(counters(k)->evicted, 1);
    sw_coalesce_flush(k->c);
    assert_true(checked_order_ok(k));
    assert_true(checked_counters_ok(k));
    assert_int_equal(counters(k)->superpackets, 1);
}

static void test_far_more_flows_than_runs_lose_nothing(void **state)
{
    struct checked *k = *state;
    for (unsigned n = 0; n < 6; n++) {
        for (uint8_t flow = 0; flow < 100; flow++)
            push_nth(k, 6, flow, n, 10);
    }
    sw_coalesce_flush(k->c);
    assert_true(checked_order_ok(k));
    assert_true(checked_counters_ok(k));
    assert_int_equal(counters(k)->singles, 600);
}

/* --- the rest -----------------------------------------------------------------------------------
 */

static void test_a_run_of_one_is_written_untouched(void **state)
{
    struct checked *k = *state;
    push_nth(k, 6, 0, 0, 100);
    push_nth(k, UDP, 0, 0, 100);
    assert_int_equal(k->written, 0);
    EXPECT_WRITES(k, 1, 1); /* which checks the bytes and that the virtio header is zero */
    sw_coalesce_flush(k->c);
    assert_int_equal(k->written, 2);
    assert_int_equal(counters(k)->singles, 2);
    assert_int_equal(counters(k)->superpackets, 0);
}

static void test_kinds_can_be_switched_off(void **state)
{
    struct checked *k = *state;
    push_nth(k, 6, 0, 0, 100);
    sw_coalesce_allow(k->c, false, true);
    assert_int_equal(k->written, 1); /* what was open */
    push_nth(k, 6, 0, 1, 100);
    assert_int_equal(k->written, 2);
    push_nth(k, UDP, 0, 0, 100);
    push_nth(k, UDP, 0, 1, 100);
    sw_coalesce_allow(k->c, true, false);
    push_nth(k, UDP, 0, 2, 100);
    push_nth(k, 6, 0, 2, 100);
    push_nth(k, 6, 0, 3, 100);
    EXPECT_WRITES(k, 1, 1, 2, 1, 2);
    assert_int_equal(counters(k)->reasons[SW_COALESCE_PROTOCOL], 2);
}

static void test_failed_writes_are_counted_in_packets(void **state)
{
    struct checked *k = *state;
    k->answer = -1;
    push_nth(k, 6, 0, 0, 100);
    push_nth(k, 6, 0, 1, 100);
    push_nth(k, 6, 0, 2, 0);
    assert_int_equal(counters(k)->unwritten, 3);
    k->answer = 0;
    push_nth(k, 6, 0, 3, 0);
    assert_int_equal(counters(k)->unwritten, 3);
}

static void test_every_reason_has_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; i < SW_COALESCE_REASONS; i++) {
        assert_non_null(sw_coalesce_reason_name(i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(sw_coalesce_reason_name(i), sw_coalesce_reason_name(j));
    }
}

/* --- split(coalesce(x)) == x --------------------------------------------------------------------
 */

struct sender {
    uint8_t protocol;
    uint16_t id;
    uint32_t sequence;
    size_t payload;
    size_t options;
};

static const uint8_t odd_flags[] = {TCP_PSH, TCP_FIN, TCP_SYN, TCP_RST, TCP_URG, TCP_ECE, TCP_CWR};

/* One in about ten packets is out of line in some way. */
static void deviate(struct sender *s, struct recipe *r, uint64_t *seed)
{
    switch (random_below(seed, 80)) {
    case 0:
        s->id = r->id = (uint16_t)random_u64(seed);
        break;
    case 1:
        s->sequence = r->sequence = (uint32_t)random_u64(seed);
        break;
    case 2:
        s->payload = r->payload = 1 + random_below(seed, 300);
        break;
    case 3:
        r->payload = random_below(seed, r->payload + 1);
        break;
    case 4:
        r->payload++;
        break;
    case 5:
        s->options = r->options = random_below(seed, 11) * 4;
        break;
    case 6:
    case 7:
    case 8:
        r->flags = odd_flags[random_below(seed, sizeof odd_flags)];
        break;
    default:
        break;
    }
}

/* Any bit of it, with checksums made right again or not. */
static void damage(uint8_t *packet, size_t len, uint64_t *seed)
{
    size_t what = random_below(seed, 200);
    if (what > 3) return;
    packet[random_below(seed, what == 3  ? len
                              : 40 < len ? 40
                                         : len)] ^= (uint8_t)(1u << random_below(seed, 8));
    if (what > 0) checksum_ip(packet);
    if (what > 1) checksum_transport(packet, len);
}

static void send_one(struct checked *k, struct sender *s, uint8_t flow, uint64_t *seed)
{
    static uint8_t packet[PACKET_MAX];
    struct recipe r = {
        .protocol = s->protocol,
        .flow = flow,
        .id = s->id,
        .sequence = s->sequence,
        .payload = s->payload,
        .options = s->options,
        .content = (uint32_t)random_u64(seed),
    };
    deviate(s, &r, seed);
    size_t len = build(&r, packet);
    damage(packet, len, seed);
    checked_push(k, packet, len);
    s->id = (uint16_t)(r.id + 1);
    s->sequence = r.sequence + (uint32_t)r.payload;
}

static uint64_t mixture(struct checked *k, uint64_t seed, unsigned packets)
{
    struct sender senders[24];
    size_t flows = 1 + random_below(&seed, 24);
    size_t flow = 0;
    for (size_t i = 0; i < flows; i++) {
        senders[i] = (struct sender){
            .protocol = random_below(&seed, 3) == 0 ? UDP : 6,
            .id = (uint16_t)random_u64(&seed),
            .sequence = (uint32_t)random_u64(&seed),
            .payload = random_below(&seed, 20) == 0 ? 9000 : 1 + random_below(&seed, 300),
            .options = random_below(&seed, 11) * 4,
        };
    }
    for (unsigned n = 0; n < packets; n++) {
        if (random_below(&seed, 4) == 0) flow = random_below(&seed, flows); /* bursts */
        send_one(k, &senders[flow], (uint8_t)flow, &seed);
        if (random_below(&seed, 64) == 0) sw_coalesce_flush(k->c);
    }
    sw_coalesce_flush(k->c);
    return counters(k)->superpackets;
}

static void test_splitting_gives_back_what_went_in(void **state)
{
    struct checked *k = *state;
    uint64_t superpackets = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t all = mixture(k, seed, 200);
        if (!checked_order_ok(k)) fail_msg("seed %llu", (unsigned long long)seed);
        assert_true(checked_counters_ok(k));
        assert_true(all > superpackets); /* or else nothing was tested */
        superpackets = all;
        checked_clear(k);
    }
    for (int why = SW_COALESCE_NOT + 1; why < SW_COALESCE_REASONS; why++) {
        if (why == SW_COALESCE_NO_CHECKSUM) continue;
        if (counters(k)->reasons[why] == 0) fail_msg("%s", sw_coalesce_reason_name(why));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_segments_of_the_kernel_become_its_superpacket),
        TEST(test_each_rule_keeps_packets_apart),
        TEST(test_other_addresses_ports_or_protocol_are_other_flows),
        TEST(test_headers_of_other_length_are_kept_apart),
        TEST(test_push_and_fin_end_a_run_at_once),
        TEST(test_push_without_a_run_goes_alone),
        TEST(test_a_shorter_packet_ends_the_run),
        TEST(test_a_longer_packet_begins_another_run),
        TEST(test_a_superpacket_has_at_most_65535_bytes),
        TEST(test_udp_runs_have_at_most_64_datagrams),
        TEST(test_id_and_sequence_wrap),
        TEST(test_a_pure_ack_never_overtakes_its_flow),
        TEST(test_udp_without_checksum_goes_alone),
        TEST(test_a_checksum_that_computes_to_zero_survives),
        TEST(test_the_other_zero_of_a_tcp_checksum_goes_alone),
        TEST(test_the_other_zero_of_an_ip_checksum_goes_alone),
        TEST(test_a_damaged_first_packet_begins_no_run),
        TEST(test_other_protocols_and_scraps_pass_through),
        TEST(test_fragments_let_all_flows_between_their_addresses_go_first),
        TEST(test_interleaved_flows_are_merged_each),
        TEST(test_one_flow_too_many_evicts_the_one_longest_untouched),
        TEST(test_far_more_flows_than_runs_lose_nothing),
        TEST(test_a_run_of_one_is_written_untouched),
        TEST(test_kinds_can_be_switched_off),
        TEST(test_failed_writes_are_counted_in_packets),
        TEST(test_every_reason_has_its_own_name),
        TEST(test_splitting_gives_back_what_went_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
