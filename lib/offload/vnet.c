/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The virtio header (docs/offload.md A.3): ten bytes in host byte order before every packet of a
 * TUN opened with IFF_VNET_HDR, in both directions.
 *
 * The bytes are copied field by field, so the header may lie at any alignment, also in front of a
 * packet in the same buffer. Nothing is judged here: what the kernel claims is checked against the
 * packet where it is used, in checksum.c and segment.c.
 */

#include <assert.h>
#include <slipway/vnet.h>
#include <string.h>

static_assert(SW_VNET_LEN == 10, "two bytes, then four 16-bit fields");

void sw_vnet_decode(const uint8_t in[SW_VNET_LEN], struct sw_vnet *out)
{
    out->flags = in[0];
    out->gso_type = in[1];
    memcpy(&out->hdr_len, in + 2, 2);
    memcpy(&out->gso_size, in + 4, 2);
    memcpy(&out->csum_start, in + 6, 2);
    memcpy(&out->csum_offset, in + 8, 2);
}

void sw_vnet_encode(uint8_t out[SW_VNET_LEN], const struct sw_vnet *vnet)
{
    out[0] = vnet->flags;
    out[1] = vnet->gso_type;
    memcpy(out + 2, &vnet->hdr_len, 2);
    memcpy(out + 4, &vnet->gso_size, 2);
    memcpy(out + 6, &vnet->csum_start, 2);
    memcpy(out + 8, &vnet->csum_offset, 2);
}

bool sw_vnet_is_super(const struct sw_vnet *vnet)
{
    return (vnet->gso_type & ~SW_GSO_ECN) != SW_GSO_NONE;
}
