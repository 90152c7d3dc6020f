/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Cutting a superpacket of 49 TCP segments. The plain way copies the headers, changes what differs
 * and sums each segment from scratch, with plain sums and with fast ones.
 */

#include <string.h>

#include "bench/micro.h"
#include "lib/base/bytes.h"
#include "lib/offload/checksum.h"
#include "lib/offload/segment.h"
#include "tests/unit/packet_bytes.h"

#define HEADERS  52
#define MSS      1320
#define SEGMENTS 49
#define LEN      (HEADERS + SEGMENTS * MSS)

static uint8_t super[65536], segment[2048];
static struct sw_vnet vnet = {SW_VNET_NEEDS_CSUM, SW_GSO_TCPV4, HEADERS, MSS, 20, 16};

static void make_super(uint8_t *ip, size_t len, uint32_t seed)
{
    static const uint8_t headers[HEADERS] = {
        0x45, 0,  0, 0, 0, 1, 0x40, 0, 64, 6, 0,    0,    10, 20, 1, 9, 10, 20, 2, 9, 4, 210,
        22,   46, 0, 0, 0, 1, 0,    0, 0,  2, 0x80, 0x18, 1,  1,  0, 0, 0,  0,  1, 1, 8, 10};
    fill_random(ip, len, seed);
    memcpy(ip, headers, 44);
    sw_put_be16(ip + 2, (uint16_t)len);
}

static void set_up(void)
{
    make_super(super, LEN, 3);
}

static void plain_segment(const uint8_t *ip, size_t len, size_t mss, unsigned i, uint8_t *out,
                          bool plain_sums)
{
    size_t at = HEADERS + i * mss;
    size_t payload = len - at < mss ? len - at : mss;
    size_t total = HEADERS + payload;
    memcpy(out, ip, HEADERS);
    memcpy(out + HEADERS, ip + at, payload);
    sw_put_be16(out + 2, (uint16_t)total);
    sw_put_be16(out + 4, (uint16_t)(sw_get_be16(ip + 4) + i));
    sw_put_be32(out + 24, sw_get_be32(ip + 24) + (uint32_t)(i * mss));
    if (at + payload < len) out[33] &= (uint8_t)~0x09;
    sw_put_be16(out + 36, 0);
    if (plain_sums) {
        sw_put_be16(out + 10, 0);
        sw_put_be16(out + 10, plain_checksum(out, 20, 0));
        uint32_t pseudo = plain_pseudo_sum(out, 6, total - 20);
        sw_put_be16(out + 36, plain_checksum(out + 20, total - 20, pseudo));
    } else {
        sw_checksum_ip4_header(out, 20);
        uint64_t pseudo = sw_sum_pseudo_ip4(out, 6, total - 20);
        sw_checksum_store(out + 36, sw_sum(out + 20, total - 20, pseudo), false);
    }
}

static void check(void)
{
    static uint8_t packet[65536], want[65536], got[65536];
    uint64_t seed = 11;
    for (int n = 0; n < 200; n++) {
        struct sw_vnet v = vnet;
        size_t len = HEADERS + 1 + random_below(&seed, 65535 - HEADERS);
        v.gso_size = (uint16_t)(len / 40 + 1 + random_below(&seed, 3000));
        make_super(packet, len, (uint32_t)seed);
        struct sw_segmenter s;
        BENCH_CHECK(sw_segmenter_init(&s, packet, len, &v, NULL) == 0);
        for (unsigned i = 0; i < s.count; i++) {
            size_t segment_len = sw_segment_len(&s, i);
            plain_segment(packet, len, v.gso_size, i, want, true);
            plain_segment(packet, len, v.gso_size, i, got, false);
            BENCH_CHECK(memcmp(want, got, segment_len) == 0);
            sw_segment_build(&s, i, got);
            BENCH_CHECK(memcmp(want, got, segment_len) == 0);
            const uint8_t *payload;
            size_t payload_len;
            sw_segment_headers(&s, i, got, &payload, &payload_len);
            BENCH_CHECK(HEADERS + payload_len == segment_len);
            memcpy(got + HEADERS, payload, payload_len);
            BENCH_CHECK(memcmp(want, got, segment_len) == 0);
        }
    }
}

static uint64_t plain_ways(unsigned count, bool plain_sums)
{
    uint64_t all = 0;
    for (unsigned n = 0; n < count; n++) {
        plain_segment(super, LEN, MSS, n % SEGMENTS, segment, plain_sums);
        all += segment[37];
    }
    return all;
}

static uint64_t plain(unsigned count)
{
    return plain_ways(count, true);
}

static uint64_t plain_but_fast_sums(unsigned count)
{
    return plain_ways(count, false);
}

static uint64_t build(unsigned count)
{
    struct sw_segmenter s;
    uint64_t all = 0;
    for (unsigned n = 0; n < count; n++) {
        if (n % SEGMENTS == 0) sw_segmenter_init(&s, super, LEN, &vnet, NULL);
        sw_segment_build(&s, n % SEGMENTS, segment);
        all += segment[37];
    }
    return all;
}

static uint64_t headers_only(unsigned count)
{
    struct sw_segmenter s;
    uint64_t all = 0;
    for (unsigned n = 0; n < count; n++) {
        const uint8_t *payload;
        size_t len;
        if (n % SEGMENTS == 0) sw_segmenter_init(&s, super, LEN, &vnet, NULL);
        sw_segment_headers(&s, n % SEGMENTS, segment, &payload, &len);
        all += segment[37];
    }
    return all;
}

const struct bench_group bench_segment = {
    "segment",
    "segment of 1372 bytes",
    set_up,
    check,
    NULL,
    {{"plain", plain, 0},
     {"plain, but with sw_sum", plain_but_fast_sums, 0},
     {"sw_segment_build", build, 0},
     {"sw_segment_headers, payload left in place", headers_only, 0}},
};
