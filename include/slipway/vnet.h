/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SLIPWAY_VNET_H
#define SLIPWAY_VNET_H

#include <slipway/types.h>

/* The virtio header that precedes every packet of a TUN opened with IFF_VNET_HDR (docs/offload.md
 * A.3). */

#define SW_VNET_LEN 10

#define SW_VNET_NEEDS_CSUM 1
#define SW_VNET_DATA_VALID 2

enum sw_gso_type {
    SW_GSO_NONE = 0,
    SW_GSO_TCPV4 = 1,
    SW_GSO_TCPV6 = 4,
    SW_GSO_UDP_L4 = 5,
};
#define SW_GSO_ECN 0x80

struct sw_vnet {
    uint8_t flags;
    uint8_t gso_type; /**< enum sw_gso_type, SW_GSO_ECN may be or-ed in */
    uint16_t hdr_len; /**< a hint; never trusted */
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
};

/** Reads/writes SW_VNET_LEN bytes in host byte order at any alignment. */
void sw_vnet_decode(const uint8_t in[SW_VNET_LEN], struct sw_vnet *out);
void sw_vnet_encode(uint8_t out[SW_VNET_LEN], const struct sw_vnet *vnet);

/** True if the packet stands for several segments (type other than NONE with the ECN bit masked).
 */
bool sw_vnet_is_super(const struct sw_vnet *vnet);

#endif
