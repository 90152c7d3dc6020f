/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_ICMP_H
#define SW_ENGINE_ICMP_H

#include <slipway/types.h>

/** IPv4 header, ICMP header and what is quoted of the packet: its IPv4 header (up to 60 bytes) and
 * 8 bytes. */
#define SW_ICMP_MAX (20 + 8 + 60 + 8)

/**
 * "Fragmentation needed" (RFC 792, RFC 1191) in answer to packet, from the packet's own
 * destination. Bytes written to out, or 0 if the packet must not be answered (RFC 1122 §3.2.2: an
 * ICMP error, a later fragment, to or from a group or broadcast address).
 */
size_t sw_icmp_too_big(const uint8_t *packet, size_t len, uint16_t mtu, uint8_t out[SW_ICMP_MAX]);

#endif
