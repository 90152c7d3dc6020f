/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIM_SUPERPACKET_H
#define SIM_SUPERPACKET_H

/* TSO superpackets as a TUN gives them, and what a receiver must see of them. */

#include <string.h>

#include "lib/base/bytes.h"
#include "lib/offload/checksum.h"
#include "lib/offload/segment.h"
#include "tests/sim/world.h"

#define SUPERPACKET_MAX 65535
#define TCP_HEADERS     40

/** A TCP superpacket with payload bytes that depend on seed, its checksum left to be completed. */
static inline struct sw_inside_packet superpacket(uint8_t *out, uint32_t from, uint32_t to,
                                                  size_t payload, uint16_t gso_size, uint32_t seed)
{
    const size_t len = TCP_HEADERS + payload;
    struct sw_inside_packet packet = {
        .data = out,
        .len = len,
        .vnet = {.flags = SW_VNET_NEEDS_CSUM,
                 .gso_type = SW_GSO_TCPV4,
                 .hdr_len = TCP_HEADERS,
                 .gso_size = gso_size,
                 .csum_start = 20,
                 .csum_offset = 16},
    };

    memset(out, 0, TCP_HEADERS);
    out[0] = 0x45;
    sw_put_be16(out + 2, (uint16_t)len);
    sw_put_be16(out + 4, (uint16_t)seed);
    out[8] = 64;
    out[9] = 6;
    sw_put_be32(out + 12, from);
    sw_put_be32(out + 16, to);
    sw_checksum_ip4_header(out, 20);
    sw_put_be16(out + 20, 443);
    sw_put_be16(out + 22, 50000);
    sw_put_be32(out + 24, seed * 65536);
    out[32] = 0x50;
    out[33] = 0x18;
    sw_put_be16(out + 34, 1000);
    uint16_t sum = sw_sum_fold(sw_sum_pseudo_ip4(out, 6, len - 20));
    memcpy(out + 36, &sum, 2);
    for (size_t i = 0; i < payload; i++)
        out[TCP_HEADERS + i] = (uint8_t)(seed * 31 + i * 7 + i / 251);
    return packet;
}

#endif
