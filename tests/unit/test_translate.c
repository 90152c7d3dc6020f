/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Address translation: docs/protocol/session.md §20, vector R1 of docs/offload.md D.2. */

#include "lib/engine/translate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/offload/packet.h"
#include "tests/unit/packet_bytes.h"

#define LOCAL     0x0a140109 /* 10.20.1.9, ours before translation */
#define REMOTE    0x0a140209 /* 10.20.2.9 */
#define MAPPED    0x0a7d0005 /* 10.125.0.5, ours after it */
#define DNS_LOCAL 0x0a7d0001
#define DNS_REAL  0x08080404

#define OTHER_PROTOCOL 47 /* GRE: no pseudo header */

static const struct sw_translation plain = {.set = MAPPED};
static const struct sw_translation with_dns = {MAPPED, DNS_LOCAL, DNS_REAL};

typedef int translation(uint8_t *, size_t, const struct sw_translation *, bool);

struct packet {
    size_t len;
    uint8_t bytes[256];
};

/* Where the transport protocols keep their checksum; 0: nowhere. */
static size_t checksum_offset(uint8_t protocol)
{
    switch (protocol) {
    case SW_IPPROTO_ICMP:
        return 2;
    case SW_IPPROTO_TCP:
        return 16;
    case SW_IPPROTO_UDP:
    case SW_IPPROTO_UDPLITE:
    case SW_IPPROTO_DCCP:
        return 6;
    default:
        return 0;
    }
}

static void sum_header(uint8_t *ip)
{
    sw_put_be16(ip + 10, 0);
    sw_put_be16(ip + 10, plain_checksum(ip, (size_t)(ip[0] & 15) * 4, 0));
}

static void sum_transport(struct packet *p)
{
    uint8_t *ip = p->bytes, protocol = ip[9];
    size_t ip_len = (size_t)(ip[0] & 15) * 4, len = p->len - ip_len;
    size_t offset = checksum_offset(protocol);
    if (offset == 0) return;
    uint32_t pseudo = protocol == SW_IPPROTO_ICMP ? 0 : plain_pseudo_sum(ip, protocol, len);
    sw_put_be16(ip + ip_len + offset, 0);
    uint16_t checksum = plain_checksum(ip + ip_len, len, pseudo);
    sw_put_be16(ip + ip_len + offset, checksum);
}

/* A packet with random transport bytes and right checksums. */
static struct packet make(uint8_t protocol, uint32_t source, uint32_t destination, size_t ip_len,
                          size_t transport_len, uint32_t seed)
{
    struct packet p = {.len = ip_len + transport_len};
    uint8_t *ip = p.bytes;
    fill_random(ip, p.len, seed);
    ip[0] = (uint8_t)(0x40 | ip_len / 4);
    sw_put_be16(ip + 2, (uint16_t)p.len);
    sw_put_be16(ip + 6, 0x4000);
    ip[9] = protocol;
    sw_put_be32(ip + 12, source);
    sw_put_be32(ip + 16, destination);
    sum_header(ip);
    if (protocol == SW_IPPROTO_ICMP) ip[ip_len] = 8; /* echo request */
    sum_transport(&p);
    return p;
}

/* In a buffer of exactly its size, so that the sanitizer sees a step behind it. */
static int run(translation *translate, struct packet *p, const struct sw_translation *t, bool super)
{
    uint8_t *exact = malloc(p->len > 0 ? p->len : 1);
    assert_non_null(exact);
    memcpy(exact, p->bytes, p->len);
    int rc = translate(exact, p->len, t, super);
    memcpy(p->bytes, exact, p->len);
    free(exact);
    return rc;
}

static void check_addresses(const uint8_t *ip, uint32_t source, uint32_t destination)
{
    assert_int_equal(sw_get_be32(ip + 12), source);
    assert_int_equal(sw_get_be32(ip + 16), destination);
}

/* True if a and b are equal outside the n two-byte fields at the given places and both addresses.
 */
static void check_only_changed(const struct packet *a, const struct packet *b, size_t field)
{
    struct packet x = *a, y = *b;
    assert_int_equal(a->len, b->len);
    memset(x.bytes + 10, 0, 10);
    memset(y.bytes + 10, 0, 10);
    if (field != 0) {
        memset(x.bytes + field, 0, 2);
        memset(y.bytes + field, 0, 2);
    }
    assert_memory_equal(x.bytes, y.bytes, a->len);
}

/* --- single packets -----------------------------------------------------------------------------
 */

static void test_destination_of_c1_gives_r1(void **state)
{
    (void)state;
    struct packet p;
    uint8_t want[64];
    p.len = unhex("4500002100034000401123900a1401090a14020904d2162e000d89c868656c6c6f", p.bytes);
    unhex("45000021000340004011252b0a1401090a7d000504d2162e000d8b6368656c6c6f", want);
    assert_int_equal(run(sw_translate_destination, &p, &plain, false), 0);
    assert_memory_equal(p.bytes, want, p.len);
}

static void test_header_checksum_follows_rfc_1624(void **state)
{
    (void)state;
    struct packet p = make(OTHER_PROTOCOL, 0x0a041721, REMOTE, 20, 8, 1);
    struct sw_translation t = {.set = 0x0a0414d0};
    sw_put_be16(p.bytes + 10, 0x46bd);
    assert_int_equal(run(sw_translate_source, &p, &t, false), 0);
    assert_int_equal(sw_get_be16(p.bytes + 10), 0x490e);
}

static void test_checksums_stay_right_for_every_protocol(void **state)
{
    (void)state;
    static const uint8_t protocols[] = {SW_IPPROTO_TCP,     SW_IPPROTO_UDP,  SW_IPPROTO_UDPLITE,
                                        SW_IPPROTO_DCCP,    SW_IPPROTO_ICMP, SW_IPPROTO_TCP,
                                        SW_IPPROTO_UDPLITE, SW_IPPROTO_DCCP, SW_IPPROTO_UDP};
    for (uint32_t seed = 1; seed < 2000; seed++) {
        uint8_t protocol = protocols[seed % sizeof protocols];
        size_t ip_len = 20 + seed % 11 * 4, transport_len = 20 + seed % 67;
        uint32_t other = seed % 5 == 0 ? DNS_LOCAL : REMOTE;
        uint32_t other_after = seed % 5 == 0 ? DNS_REAL : REMOTE;
        size_t field = ip_len + checksum_offset(protocol);

        struct packet before = make(protocol, LOCAL, other, ip_len, transport_len, seed);
        struct packet p = before;
        assert_int_equal(run(sw_translate_source, &p, &with_dns, false), 0);
        check_addresses(p.bytes, MAPPED, other_after);
        assert_true(plain_packet_ok(p.bytes, p.len));
        check_only_changed(&before, &p, protocol == SW_IPPROTO_ICMP ? 0 : field);

        before = p = make(protocol, other, LOCAL, ip_len, transport_len, seed);
        assert_int_equal(run(sw_translate_destination, &p, &with_dns, false), 0);
        check_addresses(p.bytes, other_after, MAPPED);
        assert_true(plain_packet_ok(p.bytes, p.len));
        check_only_changed(&before, &p, protocol == SW_IPPROTO_ICMP ? 0 : field);
    }
}

static void test_dns_address_is_looked_for_on_the_other_side_only(void **state)
{
    (void)state;
    struct packet p = make(SW_IPPROTO_UDP, DNS_LOCAL, REMOTE, 20, 30, 1);
    run(sw_translate_source, &p, &with_dns, false);
    check_addresses(p.bytes, MAPPED, REMOTE);
    assert_true(plain_packet_ok(p.bytes, p.len));

    p = make(SW_IPPROTO_UDP, LOCAL, DNS_LOCAL, 20, 30, 1);
    run(sw_translate_source, &p, &plain, false);
    check_addresses(p.bytes, MAPPED, DNS_LOCAL);

    /* no match configured: address 0.0.0.0 is not the DNS address */
    struct sw_translation none = {.set = MAPPED, .dns_set = DNS_REAL};
    p = make(SW_IPPROTO_UDP, LOCAL, 0, 20, 30, 1);
    run(sw_translate_source, &p, &none, false);
    check_addresses(p.bytes, MAPPED, 0);
}

static void test_wrong_checksums_stay_wrong(void **state)
{
    (void)state;
    struct packet p = make(SW_IPPROTO_TCP, LOCAL, REMOTE, 20, 60, 1);
    p.bytes[50] ^= 1;
    run(sw_translate_source, &p, &plain, false);
    assert_false(plain_packet_ok(p.bytes, p.len));
    p.bytes[50] ^= 1;
    assert_true(plain_packet_ok(p.bytes, p.len));
}

static void test_udp_without_checksum_stays_without(void **state)
{
    (void)state;
    struct packet p = make(SW_IPPROTO_UDP, LOCAL, REMOTE, 20, 30, 1);
    sw_put_be16(p.bytes + 26, 0);
    run(sw_translate_source, &p, &plain, false);
    assert_int_equal(sw_get_be16(p.bytes + 26), 0);
    assert_true(plain_ip4_header_ok(p.bytes));
}

static void test_udp_checksum_that_becomes_zero_is_ffff(void **state)
{
    (void)state;
    static const struct {
        uint8_t protocol;
        uint16_t checksum;
    } cases[] = {{SW_IPPROTO_UDP, 0xffff}, {SW_IPPROTO_UDPLITE, 0xffff}, {SW_IPPROTO_DCCP, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        /* Choose the last two bytes such that the packet sums to zero once it is translated. */
        struct packet p = make(cases[i].protocol, MAPPED, REMOTE, 20, 30, 1);
        uint8_t *tail = p.bytes + p.len - 2;
        sw_put_be16(tail, 0);
        sum_transport(&p);
        sw_put_be16(tail, sw_get_be16(p.bytes + 26));
        sw_put_be32(p.bytes + 12, LOCAL);
        sum_header(p.bytes);
        sum_transport(&p);

        run(sw_translate_source, &p, &plain, false);
        assert_int_equal(sw_get_be16(p.bytes + 26), cases[i].checksum);
        uint32_t pseudo = plain_pseudo_sum(p.bytes, cases[i].protocol, 30);
        assert_int_equal(plain_checksum(p.bytes + 20, 30, pseudo), 0);
    }
}

static void test_first_fragment_is_updated_and_later_ones_are_not(void **state)
{
    (void)state;
    struct packet p = make(SW_IPPROTO_UDP, LOCAL, REMOTE, 20, 40, 1);
    sw_put_be16(p.bytes + 6, 0x2000); /* more fragments */
    sum_header(p.bytes);
    struct packet q = p;
    run(sw_translate_source, &p, &plain, false);
    assert_true(plain_packet_ok(p.bytes, p.len));

    sw_put_be16(q.bytes + 6, 0x0001); /* offset 8 */
    sum_header(q.bytes);
    struct packet before = q;
    run(sw_translate_source, &q, &plain, false);
    check_addresses(q.bytes, MAPPED, REMOTE);
    assert_true(plain_ip4_header_ok(q.bytes));
    assert_memory_equal(q.bytes + 20, before.bytes + 20, 40);
}

static void test_cut_off_transport_headers_are_left_alone(void **state)
{
    (void)state;
    static const struct {
        uint8_t protocol;
        size_t most; /* bytes of the transport header that do not hold the whole checksum */
    } cases[] = {{SW_IPPROTO_TCP, 17},
                 {SW_IPPROTO_UDP, 7},
                 {SW_IPPROTO_UDPLITE, 7},
                 {SW_IPPROTO_DCCP, 7},
                 {OTHER_PROTOCOL, 40}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t len = 0; len <= cases[i].most; len++) {
            struct packet p = make(OTHER_PROTOCOL, LOCAL, REMOTE, 20, len, 1);
            p.bytes[9] = cases[i].protocol;
            sum_header(p.bytes);
            struct packet before = p;
            assert_int_equal(run(sw_translate_source, &p, &plain, false), 0);
            check_addresses(p.bytes, MAPPED, REMOTE);
            assert_true(plain_ip4_header_ok(p.bytes));
            assert_memory_equal(p.bytes + 20, before.bytes + 20, len);
        }
    }
}

static void test_bytes_behind_the_total_length_are_not_the_packets(void **state)
{
    (void)state;
    struct packet p = make(SW_IPPROTO_TCP, LOCAL, REMOTE, 20, 40, 1);
    sw_put_be16(p.bytes + 2, 36); /* ends before the TCP checksum field does */
    sum_header(p.bytes);
    struct packet before = p;
    assert_int_equal(run(sw_translate_source, &p, &plain, false), 0);
    assert_memory_equal(p.bytes + 20, before.bytes + 20, 40);
}

static void test_superpackets_keep_their_transport_checksum(void **state)
{
    (void)state;
    translation *both[] = {sw_translate_source, sw_translate_destination};
    for (size_t i = 0; i < 2; i++) {
        struct packet p = make(SW_IPPROTO_TCP, LOCAL, REMOTE, 20, 200, 1);
        struct packet before = p;
        assert_int_equal(run(both[i], &p, &plain, true), 0);
        check_addresses(p.bytes, i == 0 ? MAPPED : LOCAL, i == 0 ? REMOTE : MAPPED);
        assert_true(plain_ip4_header_ok(p.bytes));
        assert_memory_equal(p.bytes + 20, before.bytes + 20, 200);
    }
}

static void test_what_is_no_whole_packet_is_refused_unchanged(void **state)
{
    (void)state;
    struct packet good = make(SW_IPPROTO_UDP, LOCAL, REMOTE, 20, 30, 1);
    for (size_t cut = 0; cut < good.len; cut++) {
        struct packet p = good;
        p.len = cut;
        assert_int_equal(run(sw_translate_source, &p, &with_dns, false), SW_EPACKET);
        assert_int_equal(run(sw_translate_destination, &p, &with_dns, false), SW_EPACKET);
        assert_memory_equal(p.bytes, good.bytes, good.len);
    }
    struct packet p = good;
    p.bytes[0] = 0x65;
    assert_int_equal(run(sw_translate_source, &p, &with_dns, false), SW_EPACKET);
}

/* --- ICMP errors --------------------------------------------------------------------------------
 */

static const uint8_t error_types[] = {3, 4, 5, 11, 12};

/* An error from source to destination that quotes the first quoted_len bytes of a packet. */
static struct packet make_error(uint8_t type, uint32_t source, uint32_t destination,
                                const struct packet *quoted, size_t quoted_len)
{
    struct packet p = make(SW_IPPROTO_ICMP, source, destination, 20, 8 + quoted_len, 99);
    memset(p.bytes + 20, 0, 8);
    p.bytes[20] = type;
    memcpy(p.bytes + 28, quoted->bytes, quoted_len);
    sum_transport(&p);
    return p;
}

static struct packet quotation(const struct packet *error)
{
    struct packet q = {.len = error->len - 28};
    memcpy(q.bytes, error->bytes + 28, q.len);
    return q;
}

/* An error that comes in (destination translated) quotes what we sent: its source is ours. */
static void test_error_coming_in_maps_the_quoted_source(void **state)
{
    (void)state;
    static const uint8_t protocols[] = {SW_IPPROTO_TCP, SW_IPPROTO_UDP, SW_IPPROTO_UDPLITE,
                                        SW_IPPROTO_DCCP, SW_IPPROTO_ICMP};
    for (size_t t = 0; t < sizeof error_types; t++) {
        for (size_t i = 0; i < sizeof protocols; i++) {
            struct packet sent = make(protocols[i], LOCAL, DNS_LOCAL, 24, 40, (uint32_t)i + 3);
            struct packet p = make_error(error_types[t], REMOTE, LOCAL, &sent, sent.len);
            assert_int_equal(run(sw_translate_destination, &p, &with_dns, false), 0);
            check_addresses(p.bytes, REMOTE, MAPPED);
            assert_true(plain_packet_ok(p.bytes, p.len));
            struct packet q = quotation(&p);
            check_addresses(q.bytes, MAPPED, DNS_REAL);
            assert_true(plain_packet_ok(q.bytes, q.len));
        }
    }
}

/* An error that goes out (source translated) quotes what was sent to us: its destination is ours.
 */
static void test_error_going_out_maps_the_quoted_destination(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof error_types; t++) {
        struct packet received = make(SW_IPPROTO_UDP, DNS_LOCAL, LOCAL, 20, 60, 5);
        struct packet p = make_error(error_types[t], LOCAL, DNS_LOCAL, &received, received.len);
        assert_int_equal(run(sw_translate_source, &p, &with_dns, false), 0);
        check_addresses(p.bytes, MAPPED, DNS_REAL);
        assert_true(plain_packet_ok(p.bytes, p.len));
        struct packet q = quotation(&p);
        check_addresses(q.bytes, DNS_REAL, MAPPED);
        assert_true(plain_packet_ok(q.bytes, q.len));
    }
}

/* The ICMP checksum must be right however much of the packet is quoted. */
static void test_quotations_of_every_length_keep_the_icmp_checksum(void **state)
{
    (void)state;
    static const uint8_t protocols[] = {SW_IPPROTO_TCP, SW_IPPROTO_UDP, OTHER_PROTOCOL};
    for (size_t i = 0; i < sizeof protocols; i++) {
        struct packet sent = make(protocols[i], LOCAL, REMOTE, 20, 61, 7);
        for (size_t len = 0; len <= sent.len; len++) {
            struct packet before = make_error(3, REMOTE, LOCAL, &sent, len);
            struct packet p = before;
            assert_int_equal(run(sw_translate_destination, &p, &plain, false), 0);
            assert_true(plain_packet_ok(p.bytes, p.len));
            struct packet q = quotation(&p);
            if (len < 20) {
                assert_memory_equal(p.bytes + 20, before.bytes + 20, p.len - 20);
                continue;
            }
            check_addresses(q.bytes, MAPPED, REMOTE);
            assert_true(plain_ip4_header_ok(q.bytes));
            size_t field = checksum_offset(protocols[i]);
            bool whole = field != 0 && len >= 20 + field + 2;
            bool changed = memcmp(q.bytes + 20, before.bytes + 48, len - 20) != 0;
            assert_int_equal(changed, whole);
        }
    }
}

static void test_quoted_udp_without_checksum_stays_without(void **state)
{
    (void)state;
    struct packet sent = make(SW_IPPROTO_UDP, LOCAL, REMOTE, 20, 40, 7);
    sw_put_be16(sent.bytes + 26, 0);
    struct packet p = make_error(3, REMOTE, LOCAL, &sent, 28);
    run(sw_translate_destination, &p, &plain, false);
    assert_true(plain_packet_ok(p.bytes, p.len));
    assert_int_equal(sw_get_be16(p.bytes + 28 + 26), 0);
}

static void test_quoted_later_fragment_has_no_transport_header(void **state)
{
    (void)state;
    struct packet sent = make(SW_IPPROTO_UDP, LOCAL, REMOTE, 20, 40, 7);
    sw_put_be16(sent.bytes + 6, 0x2003);
    sum_header(sent.bytes);
    struct packet p = make_error(11, REMOTE, LOCAL, &sent, sent.len);
    run(sw_translate_destination, &p, &plain, false);
    assert_true(plain_packet_ok(p.bytes, p.len));
    struct packet q = quotation(&p);
    check_addresses(q.bytes, MAPPED, REMOTE);
    assert_true(plain_ip4_header_ok(q.bytes));
    assert_memory_equal(q.bytes + 20, sent.bytes + 20, 40);
}

static void test_what_follows_a_short_quoted_packet_is_not_its_header(void **state)
{
    (void)state;
    struct packet sent = make(SW_IPPROTO_TCP, LOCAL, REMOTE, 20, 40, 7);
    sw_put_be16(sent.bytes + 2, 28); /* 8 bytes of transport, then an extension */
    sum_header(sent.bytes);
    struct packet p = make_error(11, REMOTE, LOCAL, &sent, sent.len);
    run(sw_translate_destination, &p, &plain, false);
    assert_true(plain_packet_ok(p.bytes, p.len));
    struct packet q = quotation(&p);
    check_addresses(q.bytes, MAPPED, REMOTE);
    assert_memory_equal(q.bytes + 20, sent.bytes + 20, 40);
}

static void test_what_is_no_quoted_packet_is_left_alone(void **state)
{
    (void)state;
    static const struct {
        uint8_t type, first;
        uint16_t fragment;
    } cases[] = {
        {0, 0x45, 0},      {8, 0x45, 0}, {13, 0x45, 0}, {9, 0x45, 0}, /* not errors */
        {3, 0x65, 0},      {3, 0x44, 0}, {3, 0x4f, 0},  {3, 0x05, 0}, /* not IPv4 headers */
        {3, 0x45, 0x0001}, /* the error itself is a later fragment */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct packet sent = make(SW_IPPROTO_UDP, LOCAL, REMOTE, 20, 20, 7);
        sent.bytes[0] = cases[i].first;
        struct packet p = make_error(cases[i].type, REMOTE, LOCAL, &sent, sent.len);
        sw_put_be16(p.bytes + 6, cases[i].fragment);
        sum_header(p.bytes);
        struct packet before = p;
        assert_int_equal(run(sw_translate_destination, &p, &plain, false), 0);
        check_addresses(p.bytes, REMOTE, MAPPED);
        assert_true(plain_ip4_header_ok(p.bytes));
        assert_memory_equal(p.bytes + 20, before.bytes + 20, p.len - 20);
    }
}

/*
 * The whole way: a client's datagram to the DNS address is translated by client and server, a
 * router objects to what it sees, and the client gets back a quotation of exactly what it sent.
 */
static void test_sender_recognises_its_packet_in_the_error(void **state)
{
    (void)state;
    enum { TUN = 0xc0a8b902, CLIENT = 0x0a7d0005, POOL = 0x0a7d0109, ROUTER = 0x0a140001 };
    const struct sw_translation client_out = {CLIENT, DNS_LOCAL, DNS_REAL};
    const struct sw_translation server_out = {.set = POOL};
    const struct sw_translation server_in = {.set = CLIENT};
    const struct sw_translation client_in = {TUN, DNS_REAL, DNS_LOCAL};

    struct packet sent = make(SW_IPPROTO_UDP, TUN, DNS_LOCAL, 20, 50, 21);
    struct packet p = sent;
    run(sw_translate_source, &p, &client_out, false);
    check_addresses(p.bytes, CLIENT, DNS_REAL);
    run(sw_translate_source, &p, &server_out, false);
    check_addresses(p.bytes, POOL, DNS_REAL);
    assert_true(plain_packet_ok(p.bytes, p.len));

    struct packet error = make_error(11, ROUTER, POOL, &p, 28);
    run(sw_translate_destination, &error, &server_in, false);
    check_addresses(error.bytes, ROUTER, CLIENT);
    run(sw_translate_destination, &error, &client_in, false);
    check_addresses(error.bytes, ROUTER, TUN);
    assert_true(plain_packet_ok(error.bytes, error.len));
    assert_memory_equal(error.bytes + 28, sent.bytes, 28);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_destination_of_c1_gives_r1),
        cmocka_unit_test(test_header_checksum_follows_rfc_1624),
        cmocka_unit_test(test_checksums_stay_right_for_every_protocol),
        cmocka_unit_test(test_dns_address_is_looked_for_on_the_other_side_only),
        cmocka_unit_test(test_wrong_checksums_stay_wrong),
        cmocka_unit_test(test_udp_without_checksum_stays_without),
        cmocka_unit_test(test_udp_checksum_that_becomes_zero_is_ffff),
        cmocka_unit_test(test_first_fragment_is_updated_and_later_ones_are_not),
        cmocka_unit_test(test_cut_off_transport_headers_are_left_alone),
        cmocka_unit_test(test_bytes_behind_the_total_length_are_not_the_packets),
        cmocka_unit_test(test_superpackets_keep_their_transport_checksum),
        cmocka_unit_test(test_what_is_no_whole_packet_is_refused_unchanged),
        cmocka_unit_test(test_error_coming_in_maps_the_quoted_source),
        cmocka_unit_test(test_error_going_out_maps_the_quoted_destination),
        cmocka_unit_test(test_quotations_of_every_length_keep_the_icmp_checksum),
        cmocka_unit_test(test_quoted_udp_without_checksum_stays_without),
        cmocka_unit_test(test_quoted_later_fragment_has_no_transport_header),
        cmocka_unit_test(test_what_follows_a_short_quoted_packet_is_not_its_header),
        cmocka_unit_test(test_what_is_no_quoted_packet_is_left_alone),
        cmocka_unit_test(test_sender_recognises_its_packet_in_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
