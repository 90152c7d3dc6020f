/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_OFFLOAD_SEGMENT_H
#define SW_OFFLOAD_SEGMENT_H

/*
 * Cuts a TSO/USO superpacket into the packets the kernel would have made of it (docs/offload.md
 * A.5, A.7, part D).
 */

#include <slipway/error.h>
#include <slipway/vnet.h>

struct sw_segmenter {
    const uint8_t *packet;
    size_t len;
    size_t ip_len;   /**< bytes of the IP header */
    size_t headers;  /**< bytes of IP and transport header */
    size_t gso_size; /**< payload bytes of every segment but the last */
    unsigned count;  /**< segments; 0 when there is no payload */
    bool tcp;        /**< else UDP */
    bool ip6;
    /* private: sums over the parts of the headers that are equal in every segment */
    uint64_t ip_sum;
    uint64_t transport_sum;
};

/** Why a superpacket was refused; names of the counters gso_dropped_… (docs/offload.md A.10). */
enum sw_segment_refusal {
    SW_REFUSED_NOT,
    SW_REFUSED_EMPTY,
    SW_REFUSED_IP_VERSION,
    SW_REFUSED_IP_HEADER,
    SW_REFUSED_PROTOCOL,
    SW_REFUSED_TRANSPORT_HEADER,
    SW_REFUSED_GSO_TYPE,
    SW_REFUSED_GSO_SIZE,
    SW_REFUSED_CSUM_START,
    SW_REFUSED_LENGTH,
    SW_REFUSALS
};
const char *sw_segment_refusal_name(enum sw_segment_refusal why);

/**
 * Checks everything the kernel said about the superpacket against its bytes and prepares cutting.
 * packet must stay unchanged until the last segment is built. 0, or SW_EVNET with *why set (why may
 * be NULL).
 */
int sw_segmenter_init(struct sw_segmenter *s, const uint8_t *packet, size_t len,
                      const struct sw_vnet *vnet, enum sw_segment_refusal *why);

/** Bytes of segment i (0-based, i < count), headers included. */
size_t sw_segment_len(const struct sw_segmenter *s, unsigned i);

/** Writes segment i, complete with headers and checksums, to out (sw_segment_len bytes). */
void sw_segment_build(const struct sw_segmenter *s, unsigned i, uint8_t *out);

/**
 * Only the headers (s->headers bytes) of segment i; *payload and *len say what follows them. For
 * sealing without a copy.
 */
void sw_segment_headers(const struct sw_segmenter *s, unsigned i, uint8_t *out,
                        const uint8_t **payload, size_t *len);

#endif
