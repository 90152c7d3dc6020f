/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Cutting superpackets: docs/offload.md A.5, A.7, D.1 and the vectors of D.2. */

#include "lib/offload/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/offload/checksum.h"
#include "tests/unit/packet_bytes.h"

#define FIN 0x01
#define SYN 0x02
#define PSH 0x08
#define ACK 0x10
#define URG 0x20
#define ECE 0x40
#define CWR 0x80

/* --- vectors ------------------------------------------------------------------------------------
 */

static const struct vector {
    const char *name;
    struct sw_vnet vnet;
    const char *in;
    const char *out[3];
} vectors[] = {
    {"tcp4_psh_fin",
     {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 0, 8, 20, 16},
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
    {"tcp4_cwr",
     {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4 | SW_GSO_ECN, 0, 8, 20, 16},
     "4500003c00014000400623820a1401090a14020904d2162e10000000000020005098ffff17680000"
     "303132333435363738393a3b3c3d3e3f40414243",
     {
         "45000030000140004006238e0a1401090a14020904d2162e10000000000020005090ffff80420000"
         "3031323334353637",
         "45000030000240004006238d0a1401090a14020904d2162e10000008000020005010ffff609a0000"
         "38393a3b3c3d3e3f",
         "4500002c00034000400623900a1401090a14020904d2162e10000010000020005018ffffcafa0000"
         "40414243",
     }},
    {"tcp4_wrapping_id_and_sequence",
     {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 0, 8, 20, 16},
     "4500003cfffe4000400623840a1401090a14020904d2162efffffff8000020005038ffff17680003"
     "303132333435363738393a3b3c3d3e3f40414243",
     {
         "45000030fffe4000400623900a1401090a14020904d2162efffffff8000020005030ffff90a60003"
         "3031323334353637",
         "45000030ffff40004006238f0a1401090a14020904d2162e00000000000020005030ffff707f0003"
         "38393a3b3c3d3e3f",
         "4500002c00004000400623930a1401090a14020904d2162e00000008000020005038ffffdadf0003"
         "40414243",
     }},
    {"tcp4_timestamps",
     {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 0, 8, 20, 16},
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
    {"tcp4_exact_multiple",
     {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 0, 8, 20, 16},
     "4500003800014000400623860a1401090a14020904d2162e10000000000020005018ffff17640000"
     "303132333435363738393a3b3c3d3e3f",
     {
         "45000030000140004006238e0a1401090a14020904d2162e10000000000020005010ffff80c20000"
         "3031323334353637",
         "45000030000240004006238d0a1401090a14020904d2162e10000008000020005018ffff60920000"
         "38393a3b3c3d3e3f",
     }},
    {"udp4",
     {SW_VNET_NEEDS_CSUM, SW_GSO_UDP_L4, 0, 8, 20, 6},
     "4500003012344000401111500a1401090a14020904d2162e001c1767303132333435363738393a3b"
     "3c3d3e3f40414243",
     {
         "45000024123440004011115c0a1401090a14020904d2162e001000c43031323334353637",
         "45000024123540004011115b0a1401090a14020904d2162e0010e0a338393a3b3c3d3e3f",
         "45000020123640004011115e0a1401090a14020904d2162e000c4b1840414243",
     }},
    {"tcp6",
     {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV6, 0, 8, 40, 16},
     "6000000000280640fd000031000000000000000000000009fd000032000000000000000000000009"
     "04d2162e10000000000020005018fffffaa40000303132333435363738393a3b3c3d3e3f40414243",
     {
         "60000000001c0640fd000031000000000000000000000009fd000032000000000000000000000009"
         "04d2162e10000000000020005010ffff9d8500003031323334353637",
         "60000000001c0640fd000031000000000000000000000009fd000032000000000000000000000009"
         "04d2162e10000008000020005010ffff7d5d000038393a3b3c3d3e3f",
         "6000000000180640fd000031000000000000000000000009fd000032000000000000000000000009"
         "04d2162e10000010000020005018ffffe7bd000040414243",
     }},
    {"udp6",
     {SW_VNET_NEEDS_CSUM, SW_GSO_UDP_L4, 0, 8, 40, 6},
     "60000000001c1140fd000031000000000000000000000009fd000032000000000000000000000009"
     "04d2162e001cfaa3303132333435363738393a3b3c3d3e3f40414243",
     {
         "6000000000101140fd000031000000000000000000000009fd000032000000000000000000000009"
         "04d2162e00101d873031323334353637",
         "6000000000101140fd000031000000000000000000000009fd000032000000000000000000000009"
         "04d2162e0010fd6638393a3b3c3d3e3f",
         "60000000000c1140fd000031000000000000000000000009fd000032000000000000000000000009"
         "04d2162e000c67db40414243",
     }},
    {"tcp4_ip_options",
     {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 0, 8, 24, 16},
     "46000038000940004006207c0a1401090a1402090101010104d2162e00000005000000065010ffff"
     "17600000303132333435363738393a3b",
     {
         "4600003400094000400620800a1401090a1402090101010104d2162e00000005000000065010ffff"
         "b0b700003031323334353637",
         "46000030000a4000400620830a1401090a1402090101010104d2162e0000000d000000065010ffff"
         "0b10000038393a3b",
     }},
    {"tcp4_odd_gso_size",
     {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 0, 7, 20, 16},
     "4500003700014000400623870a1401090a14020904d2162e10000000000020005018ffff17630000"
     "303132333435363738393a3b3c3d3e",
     {
         "4500002f000140004006238f0a1401090a14020904d2162e10000000000020005010ffff80fa0000"
         "30313233343536",
         "4500002f000240004006238e0a1401090a14020904d2162e10000007000020005010ffff64de0000"
         "3738393a3b3c3d",
         "4500002900034000400623930a1401090a14020904d2162e1000000e000020005018ffff0f840000"
         "3e",
     }},
};

#define VECTORS (sizeof vectors / sizeof vectors[0])

static void check_vector(const struct vector *v, size_t shift)
{
    uint8_t packet[256], want[256], got[256];
    size_t len = unhex(v->in, packet + shift);
    struct sw_segmenter s;
    enum sw_segment_refusal why;
    assert_int_equal(sw_segmenter_init(&s, packet + shift, len, &v->vnet, &why), 0);
    assert_int_equal(why, SW_REFUSED_NOT);

    unsigned n = 0;
    while (n < 3 && v->out[n] != NULL) {
        n++;
    }
    assert_int_equal(s.count, n);
    for (unsigned i = 0; i < n; i++) {
        size_t want_len = unhex(v->out[i], want);
        memset(got, 0xa5, sizeof got);
        assert_int_equal(sw_segment_len(&s, i), want_len);
        sw_segment_build(&s, i, got + shift);
        assert_memory_equal(got + shift, want, want_len);
        assert_int_equal(got[shift + want_len], 0xa5);

        const uint8_t *payload;
        size_t payload_len;
        memset(got, 0xa5, sizeof got);
        sw_segment_headers(&s, i, got, &payload, &payload_len);
        assert_memory_equal(got, want, s.headers);
        assert_int_equal(got[s.headers], 0xa5);
        assert_int_equal(s.headers + payload_len, want_len);
        assert_memory_equal(payload, want + s.headers, payload_len);
    }
}

static void test_segments_equal_the_kernels_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        print_message("vector %s\n", vectors[i].name);
        for (size_t shift = 0; shift < 4; shift++) {
            check_vector(&vectors[i], shift);
        }
    }
}

/* --- superpackets made to measure ---------------------------------------------------------------
 */

#define PACKET_MAX 65535

struct super {
    struct sw_vnet vnet;
    size_t len;
    uint8_t bytes[PACKET_MAX + 1];
};

/* IPv4 and TCP without options, as the kernel delivers it. Release with free(). */
static struct super *tcp_super(size_t payload, uint16_t gso_size, uint8_t flags)
{
    struct super *super = malloc(sizeof *super);
    assert_non_null(super);
    uint8_t *p = super->bytes;
    super->len = 40 + payload;
    super->vnet = (struct sw_vnet){SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 1350, gso_size, 20, 16};
    unhex("4500000000010000400600000a1401090a14020904d2162e00001000000020005000ffff00000000", p);
    fill_random(p + 40, payload, 3);
    sw_put_be16(p + 2, (uint16_t)super->len);
    p[33] = flags;
    sw_put_be16(p + 36, (uint16_t)plain_pseudo_sum(p, 6, super->len - 20));
    sw_put_be16(p + 10, plain_checksum(p, 20, 0));
    return super;
}

static struct super *udp_super(size_t payload, uint16_t gso_size)
{
    struct super *super = malloc(sizeof *super);
    assert_non_null(super);
    uint8_t *p = super->bytes;
    super->len = 28 + payload;
    super->vnet = (struct sw_vnet){SW_VNET_NEEDS_CSUM, SW_GSO_UDP_L4, 28, gso_size, 20, 6};
    unhex("4500000000010000401100000a1401090a14020904d2162e00000000", p);
    fill_random(p + 28, payload, 5);
    sw_put_be16(p + 2, (uint16_t)super->len);
    sw_put_be16(p + 24, (uint16_t)(8 + payload));
    sw_put_be16(p + 26, (uint16_t)plain_pseudo_sum(p, 17, super->len - 20));
    sw_put_be16(p + 10, plain_checksum(p, 20, 0));
    return super;
}

static struct sw_segmenter init(const struct super *super)
{
    struct sw_segmenter s;
    assert_int_equal(sw_segmenter_init(&s, super->bytes, super->len, &super->vnet, NULL), 0);
    return s;
}

static void test_count_is_payload_over_gso_size_rounded_up(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        unsigned count;
    } cases[] = {{40, 0}, {41, 1}, {140, 1}, {141, 2}, {340, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct super *super = tcp_super(cases[i].len - 40, 100, ACK);
        assert_int_equal(init(super).count, cases[i].count);
        free(super);
    }
}

static void check_tcp_segments(const struct super *super, const size_t *payloads,
                               const uint8_t *flags, unsigned n)
{
    struct sw_segmenter s = init(super);
    size_t offset = 0;
    assert_int_equal(s.count, n);
    for (unsigned i = 0; i < n; i++) {
        static uint8_t out[PACKET_MAX];
        size_t len = sw_segment_len(&s, i);
        sw_segment_build(&s, i, out);
        assert_int_equal(len, 40 + payloads[i]);
        assert_int_equal(sw_get_be16(out + 2), len);
        assert_int_equal(sw_get_be16(out + 4), 1 + i);
        assert_int_equal(sw_get_be32(out + 24), 0x1000 + offset);
        assert_int_equal(out[33], flags[i]);
        assert_memory_equal(out + 40, super->bytes + 40 + offset, payloads[i]);
        assert_true(plain_packet_ok(out, len));
        offset += payloads[i];
    }
    assert_int_equal(offset, super->len - 40);
}

static void test_fin_and_psh_stay_on_the_last_segment_only(void **state)
{
    (void)state;
    struct super *super = tcp_super(250, 100, PSH | FIN | ACK);
    check_tcp_segments(super, (const size_t[]){100, 100, 50},
                       (const uint8_t[]){ACK, ACK, PSH | FIN | ACK}, 3);
    free(super);
    super = tcp_super(300, 100, PSH | ACK);
    check_tcp_segments(super, (const size_t[]){100, 100, 100},
                       (const uint8_t[]){ACK, ACK, PSH | ACK}, 3);
    free(super);
}

static void test_cwr_stays_on_the_first_segment_only(void **state)
{
    (void)state;
    struct super *super = tcp_super(250, 100, CWR | ECE | URG | SYN | PSH | ACK);
    const uint8_t every = ECE | URG | SYN | ACK;
    static const uint8_t types[] = {SW_GSO_TCPV4, SW_GSO_TCPV4 | SW_GSO_ECN};
    for (size_t i = 0; i < 2; i++) {
        super->vnet.gso_type = types[i];
        check_tcp_segments(super, (const size_t[]){100, 100, 50},
                           (const uint8_t[]){CWR | every, every, PSH | every}, 3);
    }
    free(super);
}

static void test_odd_gso_size(void **state)
{
    (void)state;
    struct super *super = tcp_super(2003, 1001, ACK);
    check_tcp_segments(super, (const size_t[]){1001, 1001, 1}, (const uint8_t[]){ACK, ACK, ACK}, 3);
    free(super);
}

static void test_udp_lengths_follow_the_payload(void **state)
{
    (void)state;
    static const size_t lengths[] = {1008, 1008, 508};
    struct super *super = udp_super(2500, 1000);
    struct sw_segmenter s = init(super);
    assert_int_equal(s.count, 3);
    assert_false(s.tcp);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t out[2000];
        sw_segment_build(&s, i, out);
        assert_int_equal(sw_segment_len(&s, i), 20 + lengths[i]);
        assert_int_equal(sw_get_be16(out + 24), lengths[i]);
        assert_memory_equal(out + 28, super->bytes + 28 + i * 1000u, lengths[i] - 8);
        assert_true(plain_packet_ok(out, 20 + lengths[i]));
    }
    free(super);
}

static void test_udp_checksum_zero_is_sent_as_ffff(void **state)
{
    (void)state;
    struct super *super = udp_super(4, 2);
    struct sw_segmenter s;
    uint8_t out[64];
    unsigned zeros = 0;
    /* One of the 65536 payloads makes the sum zero; all of them must verify. */
    for (unsigned v = 0; v < 65536; v++) {
        sw_put_be16(super->bytes + 28, (uint16_t)v);
        s = init(super);
        sw_segment_build(&s, 0, out);
        assert_int_not_equal(sw_get_be16(out + 26), 0);
        if (sw_get_be16(out + 26) != 0xffff) continue;
        zeros++;
        assert_true(plain_packet_ok(out, 30));
    }
    assert_in_range(zeros, 1, 2); /* 0 and 0xffff are the same payload to a checksum */
    free(super);
}

static void test_one_segment_changes_nothing_but_the_checksum(void **state)
{
    (void)state;
    struct super *super = tcp_super(100, 100, CWR | PSH | FIN | ACK);
    uint8_t out[140];
    struct sw_segmenter s = init(super);
    assert_int_equal(s.count, 1);
    sw_segment_build(&s, 0, out);
    assert_true(plain_packet_ok(out, sizeof out));
    memcpy(out + 36, super->bytes + 36, 2);
    assert_memory_equal(out, super->bytes, sizeof out);
    free(super);
}

static void test_the_largest_packet_and_the_most_segments(void **state)
{
    (void)state;
    static const uint16_t sizes[] = {1298, 1, 65495, 65535, 21831};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct super *super = tcp_super(PACKET_MAX - 40, sizes[i], ACK);
        struct sw_segmenter s = init(super);
        assert_int_equal(s.count, (PACKET_MAX - 40 + sizes[i] - 1) / sizes[i]);
        static uint8_t out[PACKET_MAX];
        sw_segment_build(&s, s.count - 1, out);
        assert_true(plain_packet_ok(out, sw_segment_len(&s, s.count - 1)));
        sw_segment_build(&s, 0, out);
        assert_true(plain_packet_ok(out, sw_segment_len(&s, 0)));
        free(super);
    }
}

static void test_the_largest_headers(void **state)
{
    (void)state;
    struct super *super = tcp_super(300, 100, ACK);
    uint8_t *p = super->bytes;
    fill_random(p + 20, 320, 9);
    p[0] = 0x4f;
    p[72] = 0xf0;
    super->vnet.csum_start = 60;
    struct sw_segmenter s = init(super);
    assert_int_equal(s.headers, 120);
    assert_int_equal(s.count, 3);
    for (unsigned i = 0; i < s.count; i++) {
        uint8_t out[300];
        sw_segment_build(&s, i, out);
        assert_true(plain_packet_ok(out, sw_segment_len(&s, i)));
        assert_memory_equal(out + 20, p + 20, 40);
        assert_memory_equal(out + 80, p + 80, 40);
    }
    free(super);
}

static void test_random_superpackets_verify(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 300; seed++) {
        size_t payload = seed * 2654435761u % 9000;
        uint16_t gso_size = (uint16_t)(1 + seed * 40503u % 1500);
        struct super *super =
            seed % 2 == 0 ? tcp_super(payload, gso_size, PSH | ACK) : udp_super(payload, gso_size);
        fill_random(super->bytes + 12, 12, seed); /* addresses and ports */
        struct sw_segmenter s = init(super);
        size_t total = 0;
        for (unsigned i = 0; i < s.count; i++) {
            uint8_t out[1600];
            size_t len = sw_segment_len(&s, i);
            sw_segment_build(&s, i, out);
            assert_true(plain_packet_ok(out, len));
            assert_memory_equal(out + s.headers, super->bytes + s.headers + total, len - s.headers);
            total += len - s.headers;
        }
        assert_int_equal(total, payload);
        free(super);
    }
}

/* A superpacket without NEEDS_CSUM was verified by the kernel, which then leaves csum_start empty.
 */
static void test_verified_superpackets_need_no_csum_fields(void **state)
{
    (void)state;
    struct super *super = tcp_super(250, 100, ACK);
    super->vnet.flags = SW_VNET_DATA_VALID;
    super->vnet.csum_start = super->vnet.csum_offset = 0;
    check_tcp_segments(super, (const size_t[]){100, 100, 50}, (const uint8_t[]){ACK, ACK, ACK}, 3);
    free(super);
}

/* --- refusals -----------------------------------------------------------------------------------
 */

static void check_refused(const struct super *super, size_t len, enum sw_segment_refusal expected)
{
    /* An allocation of exactly len bytes lets the sanitizer see a read behind the packet. */
    uint8_t *packet = malloc(len > 0 ? len : 1);
    struct sw_segmenter s;
    enum sw_segment_refusal why = SW_REFUSED_NOT;
    assert_non_null(packet);
    memcpy(packet, super->bytes, len);
    assert_int_equal(sw_segmenter_init(&s, packet, len, &super->vnet, &why), SW_EVNET);
    assert_int_equal(why, expected);
    assert_int_equal(sw_segmenter_init(&s, packet, len, &super->vnet, NULL), SW_EVNET);
    free(packet);
}

/* Changes one byte of a good TCP superpacket of 290 bytes and says what must be objected to. */
static void test_every_wrong_byte_has_its_refusal(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        enum sw_segment_refusal why;
    } cases[] = {
        {0, 0x55, SW_REFUSED_IP_VERSION},
        {0, 0x05, SW_REFUSED_IP_VERSION},
        {0, 0x44, SW_REFUSED_IP_HEADER},
        {0, 0x40, SW_REFUSED_IP_HEADER},
        {0, 0x65, SW_REFUSED_LENGTH},
        {2, 0x00, SW_REFUSED_LENGTH},
        {3, 0x21, SW_REFUSED_LENGTH},
        {3, 0x23, SW_REFUSED_LENGTH},
        {6, 0x20, SW_REFUSED_IP_HEADER},
        {6, 0x10, SW_REFUSED_IP_HEADER},
        {7, 0x01, SW_REFUSED_IP_HEADER},
        {9, 1, SW_REFUSED_PROTOCOL},
        {9, 0, SW_REFUSED_PROTOCOL},
        {9, 136, SW_REFUSED_PROTOCOL},
        {32, 0x40, SW_REFUSED_TRANSPORT_HEADER},
        {32, 0x00, SW_REFUSED_TRANSPORT_HEADER},
        {9, 17, SW_REFUSED_LENGTH}, /* the sequence number's bytes are no UDP length */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct super *super = tcp_super(250, 100, ACK);
        super->bytes[cases[i].at] = cases[i].value;
        check_refused(super, super->len, cases[i].why);
        free(super);
    }
}

static void test_truncated_headers_are_refused(void **state)
{
    (void)state;
    struct super *super = tcp_super(0, 100, ACK);
    for (size_t len = 0; len < 40; len++) {
        sw_put_be16(super->bytes + 2, (uint16_t)len);
        check_refused(super, len,
                      len == 0   ? SW_REFUSED_EMPTY
                      : len < 20 ? SW_REFUSED_IP_HEADER
                                 : SW_REFUSED_TRANSPORT_HEADER);
    }
    sw_put_be16(super->bytes + 2, 40);
    super->bytes[32] = 0x60; /* data offset 24 in a packet of 40 */
    check_refused(super, 40, SW_REFUSED_TRANSPORT_HEADER);
    super->bytes[32] = 0x50;
    super->bytes[0] = 0x4b; /* header of 44 in a packet of 40 */
    check_refused(super, 40, SW_REFUSED_IP_HEADER);
    free(super);

    super = udp_super(0, 100);
    for (size_t len = 20; len < 28; len++) {
        sw_put_be16(super->bytes + 2, (uint16_t)len);
        check_refused(super, len, SW_REFUSED_TRANSPORT_HEADER);
    }
    free(super);
}

static void test_total_length_must_be_the_whole_packet(void **state)
{
    (void)state;
    struct super *super = tcp_super(250, 100, ACK);
    check_refused(super, super->len - 1, SW_REFUSED_LENGTH);
    check_refused(super, super->len + 1, SW_REFUSED_LENGTH);
    free(super);

    super = udp_super(250, 100);
    sw_put_be16(super->bytes + 24, 257);
    check_refused(super, super->len, SW_REFUSED_LENGTH);
    free(super);
}

static void test_ipv6_is_checked_like_ipv4(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        enum sw_segment_refusal why;
    } cases[] = {
        {4, 1, SW_REFUSED_LENGTH},    {5, 0x27, SW_REFUSED_LENGTH},
        {5, 0x29, SW_REFUSED_LENGTH}, {6, 0, SW_REFUSED_PROTOCOL}, /* hop-by-hop options */
        {6, 44, SW_REFUSED_PROTOCOL}, {52, 0x40, SW_REFUSED_TRANSPORT_HEADER},
    };
    struct super *super = malloc(sizeof *super);
    assert_non_null(super);
    const struct vector *tcp6 = NULL;
    for (size_t i = 0; i < VECTORS; i++) {
        if (strcmp(vectors[i].name, "tcp6") == 0) tcp6 = &vectors[i];
    }
    assert_non_null(tcp6);
    super->vnet = tcp6->vnet;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        super->len = unhex(tcp6->in, super->bytes);
        super->bytes[cases[i].at] = cases[i].value;
        check_refused(super, super->len, cases[i].why);
    }
    super->len = unhex(tcp6->in, super->bytes);
    check_refused(super, 39, SW_REFUSED_IP_HEADER);
    super->vnet.gso_type = SW_GSO_TCPV4;
    check_refused(super, super->len, SW_REFUSED_GSO_TYPE);
    free(super);
}

static void test_type_must_agree_with_the_protocol(void **state)
{
    (void)state;
    static const uint8_t not_tcp4[] = {0x00, 0x80, 0x02, 0x03, 0x04, 0x84, 0x05, 0x06, 0x21, 0xff};
    struct super *super = tcp_super(250, 100, ACK);
    for (size_t i = 0; i < sizeof not_tcp4; i++) {
        super->vnet.gso_type = not_tcp4[i];
        check_refused(super, super->len, SW_REFUSED_GSO_TYPE);
    }
    free(super);

    static const uint8_t not_udp[] = {0x00, 0x80, 0x01, 0x81, 0x03, 0x04, 0x85, 0x25};
    super = udp_super(250, 100);
    for (size_t i = 0; i < sizeof not_udp; i++) {
        super->vnet.gso_type = not_udp[i];
        check_refused(super, super->len, SW_REFUSED_GSO_TYPE);
    }
    free(super);
}

static void test_gso_size_zero_is_refused(void **state)
{
    (void)state;
    struct super *super = tcp_super(250, 0, ACK);
    check_refused(super, super->len, SW_REFUSED_GSO_SIZE);
    free(super);
    super = tcp_super(0, 0, ACK);
    check_refused(super, super->len, SW_REFUSED_GSO_SIZE);
    free(super);
}

static void test_checksum_fields_must_point_at_the_transport_header(void **state)
{
    (void)state;
    static const struct sw_vnet bad[] = {
        {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 40, 100, 19, 16},
        {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 40, 100, 24, 16},
        {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 40, 100, 0, 16},
        {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 40, 100, 65535, 16},
        {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 40, 100, 20, 6},
        {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, 40, 100, 20, 65535},
        {0, SW_GSO_TCPV4, 40, 100, 20, 16}, /* neither to be completed nor verified */
    };
    struct super *super = tcp_super(250, 100, ACK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        super->vnet = bad[i];
        check_refused(super, super->len, SW_REFUSED_CSUM_START);
    }
    free(super);
}

static void test_header_length_hint_is_never_trusted(void **state)
{
    (void)state;
    static const uint16_t hints[] = {0, 1, 40, 52, 1350, 65535};
    struct super *super = tcp_super(250, 100, ACK);
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        super->vnet.hdr_len = hints[i];
        check_tcp_segments(super, (const size_t[]){100, 100, 50}, (const uint8_t[]){ACK, ACK, ACK},
                           3);
    }
    free(super);
}

static void test_every_refusal_has_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; i < SW_REFUSALS; i++) {
        const char *name = sw_segment_refusal_name((enum sw_segment_refusal)i);
        assert_non_null(name);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(name, sw_segment_refusal_name((enum sw_segment_refusal)j));
        }
    }
    assert_string_equal(sw_segment_refusal_name(SW_REFUSED_GSO_SIZE), "zero_gso_size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_equal_the_kernels_own),
        cmocka_unit_test(test_count_is_payload_over_gso_size_rounded_up),
        cmocka_unit_test(test_fin_and_psh_stay_on_the_last_segment_only),
        cmocka_unit_test(test_cwr_stays_on_the_first_segment_only),
        cmocka_unit_test(test_odd_gso_size),
        cmocka_unit_test(test_udp_lengths_follow_the_payload),
        cmocka_unit_test(test_udp_checksum_zero_is_sent_as_ffff),
        cmocka_unit_test(test_one_segment_changes_nothing_but_the_checksum),
        cmocka_unit_test(test_the_largest_packet_and_the_most_segments),
        cmocka_unit_test(test_the_largest_headers),
        cmocka_unit_test(test_random_superpackets_verify),
        cmocka_unit_test(test_verified_superpackets_need_no_csum_fields),
        cmocka_unit_test(test_every_wrong_byte_has_its_refusal),
        cmocka_unit_test(test_truncated_headers_are_refused),
        cmocka_unit_test(test_total_length_must_be_the_whole_packet),
        cmocka_unit_test(test_ipv6_is_checked_like_ipv4),
        cmocka_unit_test(test_type_must_agree_with_the_protocol),
        cmocka_unit_test(test_gso_size_zero_is_refused),
        cmocka_unit_test(test_checksum_fields_must_point_at_the_transport_header),
        cmocka_unit_test(test_header_length_hint_is_never_trusted),
        cmocka_unit_test(test_every_refusal_has_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
