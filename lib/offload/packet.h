/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_OFFLOAD_PACKET_H
#define SW_OFFLOAD_PACKET_H

/* What the rest of Slipway needs to know of an inside IPv4 packet. */

#include <slipway/error.h>
#include <slipway/types.h>

#define SW_IPPROTO_ICMP    1
#define SW_IPPROTO_TCP     6
#define SW_IPPROTO_UDP     17
#define SW_IPPROTO_DCCP    33
#define SW_IPPROTO_UDPLITE 136

struct sw_packet {
    size_t header_len; /**< IHL * 4, 20..60 */
    size_t total_len;  /**< as the header says, <= the buffer */
    uint8_t protocol;
    bool fragment;       /**< part of a fragmented packet (offset > 0 or MF) */
    bool later_fragment; /**< offset > 0: no transport header */
};

/** Checks version, IHL and total length against len. SW_EPACKET: not a whole IPv4 packet. */
int sw_packet_parse(const uint8_t *data, size_t len, struct sw_packet *out);

#endif
