/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_OFFLOAD_CHECKSUM_H
#define SW_OFFLOAD_CHECKSUM_H

/*
 * Internet checksums (RFC 1071, RFC 1624); docs/offload.md A.6. Sums are in "memory order": no byte
 * swaps. A sum may be continued by handing it to the next call; every piece but the last must then
 * have an even length.
 */

#include <slipway/types.h>
#include <slipway/vnet.h>

/**
 * One's-complement sum of len bytes (any alignment, odd length padded with zero), added to start.
 * Not folded, and small: a 64 KiB piece adds less than 2^50.
 */
uint64_t sw_sum(const uint8_t *data, size_t len, uint64_t start);

/** The same while copying data to out, which must not overlap it. */
uint64_t sw_sum_copy(uint8_t *restrict out, const uint8_t *restrict data, size_t len,
                     uint64_t start);

/** Folds to 16 bits; store the complement of it with memcpy, not as big-endian. */
uint16_t sw_sum_fold(uint64_t sum);

/** Pseudo-header sum of an IPv4 packet for a transport length and protocol. */
uint64_t sw_sum_pseudo_ip4(const uint8_t *ip, uint8_t protocol, size_t transport_len);

/** The same for IPv6. */
uint64_t sw_sum_pseudo_ip6(const uint8_t *ip, uint8_t protocol, size_t transport_len);

/** Stores the complement of the folded sum in a checksum field. is_udp: 0 becomes 0xffff (RFC 768).
 */
void sw_checksum_store(uint8_t *field, uint64_t sum, bool is_udp);

/** Recomputes the header checksum of an IPv4 header of header_len bytes. */
void sw_checksum_ip4_header(uint8_t *ip, size_t header_len);

/**
 * Completes the transport checksum of a single packet whose vnet says NEEDS_CSUM (UDP 0 becomes
 * 0xffff). SW_EVNET if csum_start/csum_offset do not lie inside the packet; the packet is then
 * unchanged.
 */
int sw_checksum_complete(uint8_t *packet, size_t len, const struct sw_vnet *vnet);

/**
 * RFC 1624 update of a checksum field in place: the 32-bit word old became new (network order bytes
 * as loaded by memcpy). Two bytes changed: pass them as the low half, the high half zero. is_udp: a
 * field of zero stays zero (no checksum), a result of zero becomes 0xffff.
 */
void sw_checksum_replace32(uint8_t *field, uint32_t old, uint32_t new_, bool is_udp);

#endif
