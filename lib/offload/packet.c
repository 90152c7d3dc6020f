/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The shape of an inside IPv4 packet (docs/protocol/session.md §15).
 *
 * Everything that rewrites or forwards an inside packet asks here first, so that header_len and
 * total_len are bounds nobody has to check again. Bytes behind the total length are padding and
 * belong to nobody. Options are not read; the transport header is not judged here.
 */

#include "lib/offload/packet.h"

#include "lib/base/bytes.h"

#define HEADER_MIN      20
#define MORE_FRAGMENTS  0x2000
#define FRAGMENT_OFFSET 0x1fff

int sw_packet_parse(const uint8_t *data, size_t len, struct sw_packet *out)
{
    if (len < HEADER_MIN || data[0] >> 4 != 4) return SW_EPACKET;
    size_t header_len = (size_t)(data[0] & 15) * 4;
    size_t total_len = sw_get_be16(data + 2);
    if (header_len < HEADER_MIN || total_len < header_len || total_len > len) return SW_EPACKET;

    uint16_t fragment = sw_get_be16(data + 6);
    *out = (struct sw_packet){
        .header_len = header_len,
        .total_len = total_len,
        .protocol = data[9],
        .fragment = (fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET)) != 0,
        .later_fragment = (fragment & FRAGMENT_OFFSET) != 0,
    };
    return 0;
}
