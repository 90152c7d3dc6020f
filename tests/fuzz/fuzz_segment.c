/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What the kernel's TUN can say: ten bytes of virtio header, the rest a packet (docs/offload.md A.3
 * to A.7). Whatever is accepted must be cut into packets that are right by themselves: lengths add
 * up, payloads follow each other, checksums verify when summed the plain way. A packet that is not
 * a superpacket goes the way of single ones: checksum completion, then translation.
 *
 * Every packet lies in an allocation of exactly its size.
 */

#include <stdlib.h>

#include "lib/base/bytes.h"
#include "lib/engine/translate.h"
#include "lib/offload/checksum.h"
#include "lib/offload/packet.h"
#include "lib/offload/segment.h"
#include "tests/unit/packet_bytes.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) abort();                                                                 \
    } while (0)

static uint8_t *exact_copy(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    CHECK(copy != NULL);
    if (len > 0) memcpy(copy, data, len);
    return copy;
}

static void check_lengths(const struct sw_segmenter *s, const uint8_t *segment, size_t len)
{
    if (s->ip6) {
        CHECK(segment[0] >> 4 == 6);
        CHECK(sw_get_be16(segment + 4) == len - 40);
    } else {
        struct sw_packet parsed;
        CHECK(sw_packet_parse(segment, len, &parsed) == 0);
        CHECK(parsed.total_len == len && parsed.header_len == s->ip_len && !parsed.fragment);
    }
    if (!s->tcp) CHECK(sw_get_be16(segment + s->ip_len + 4) == len - s->ip_len);
}

/* Builds segment i and returns how much payload it carries. */
static size_t check_segment(const struct sw_segmenter *s, unsigned i, size_t offset)
{
    size_t len = sw_segment_len(s, i);
    CHECK(len > s->headers && len <= s->headers + s->gso_size);
    uint8_t *segment = malloc(len);
    CHECK(segment != NULL);
    sw_segment_build(s, i, segment);
    check_lengths(s, segment, len);
    CHECK(plain_packet_ok(segment, len));
    CHECK(memcmp(segment + s->headers, s->packet + s->headers + offset, len - s->headers) == 0);

    uint8_t headers[120];
    const uint8_t *payload;
    size_t payload_len;
    sw_segment_headers(s, i, headers, &payload, &payload_len);
    CHECK(memcmp(headers, segment, s->headers) == 0);
    CHECK(payload == s->packet + s->headers + offset && payload_len == len - s->headers);

    free(segment);
    return payload_len;
}

static void check_super(const uint8_t *packet, size_t len, const struct sw_vnet *vnet)
{
    struct sw_segmenter s;
    enum sw_segment_refusal why;
    int rc = sw_segmenter_init(&s, packet, len, vnet, &why);
    CHECK((rc == 0) == (why == SW_REFUSED_NOT));
    CHECK(sw_segment_refusal_name(why) != NULL);
    if (rc < 0) {
        CHECK(rc == SW_EVNET);
        return;
    }
    CHECK(sw_vnet_is_super(vnet) && s.headers <= len);
    size_t offset = 0;
    for (unsigned i = 0; i < s.count; i++) {
        CHECK(i + 1 == s.count || sw_segment_len(&s, i) == s.headers + s.gso_size);
        offset += check_segment(&s, i, offset);
    }
    CHECK(s.headers + offset == len);
}

static void check_translations(uint8_t *packet, size_t len, bool super)
{
    static const struct sw_translation t = {0x0a7d0005, 0x0a140209, 0x08080404};
    struct sw_packet parsed;
    bool header_ok = sw_packet_parse(packet, len, &parsed) == 0 && plain_ip4_header_ok(packet);
    if (sw_translate_source(packet, len, &t, super) < 0) return;
    CHECK(sw_get_be32(packet + 12) == t.set);
    CHECK(sw_translate_destination(packet, len, &t, super) == 0);
    CHECK(sw_get_be32(packet + 16) == t.set);
    if (header_ok) CHECK(plain_ip4_header_ok(packet));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < SW_VNET_LEN) return 0;
    struct sw_vnet vnet;
    sw_vnet_decode(data, &vnet);
    uint8_t again[SW_VNET_LEN];
    sw_vnet_encode(again, &vnet);
    CHECK(memcmp(again, data, sizeof again) == 0);

    size_t len = size - SW_VNET_LEN;
    uint8_t *packet = exact_copy(data + SW_VNET_LEN, len);
    check_super(packet, len, &vnet);
    bool super = sw_vnet_is_super(&vnet);
    if (!super && (vnet.flags & SW_VNET_NEEDS_CSUM) != 0) {
        (void)sw_checksum_complete(packet, len, &vnet);
    }
    check_translations(packet, len, super);
    free(packet);
    return 0;
}
