/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_OFFLOAD_COALESCE_H
#define SW_OFFLOAD_COALESCE_H

/*
 * Puts the packets that come out of the tunnel together again, so that a TUN with virtio framing
 * takes a superpacket per call (docs/offload.md C.2, E.3, F.13). The inverse of the segmenter: what
 * is written, cut by it (or by the kernel), is what was pushed, byte for byte.
 */

#include <slipway/types.h>
#include <slipway/vnet.h>

/** Runs that may be open at once; with more flows in a batch the one longest untouched is written.
 */
#define SW_COALESCE_FLOWS 16

/** Most datagrams in a UDP superpacket. */
#define SW_COALESCE_UDP_SEGMENTS 64

/** What kept two packets apart. */
enum sw_coalesce_reason {
    SW_COALESCE_NOT, /**< nothing did */

    /* The packet goes alone, whatever went before it. */
    SW_COALESCE_LENGTH,      /**< not IPv4, or its total length is not its length */
    SW_COALESCE_OPTIONS,     /**< IP header not of 20 bytes */
    SW_COALESCE_FRAGMENT,    /**< or the reserved flag */
    SW_COALESCE_PROTOCOL,    /**< neither TCP nor UDP, or switched off */
    SW_COALESCE_HEADER,      /**< transport header cut off or with a wrong length */
    SW_COALESCE_FLAGS,       /**< TCP: anything but ACK, PSH, FIN; no ACK */
    SW_COALESCE_EMPTY,       /**< no payload */
    SW_COALESCE_NO_CHECKSUM, /**< UDP without one */
    SW_COALESCE_CHECKSUM,    /**< a wrong one, or not in the form that senders compute */
    SW_COALESCE_PUSHED,      /**< PSH or FIN without a run to end */

    /* The packet begins a run of its own, and the flow's former run is written. */
    SW_COALESCE_FIELDS,   /**< a header field or option differs */
    SW_COALESCE_ID,       /**< IP identification is not the next */
    SW_COALESCE_SEQUENCE, /**< TCP sequence number is not the next */
    SW_COALESCE_SIZE,     /**< more payload than in the run's first packet */
    SW_COALESCE_FULL,     /**< superpacket would exceed 65535 bytes */
    SW_COALESCE_REASONS
};
const char *sw_coalesce_reason_name(enum sw_coalesce_reason reason);

/** Only ever incremented. With no run open, packets == merged + singles. */
struct sw_coalesce_counters {
    uint64_t packets;      /**< pushed */
    uint64_t superpackets; /**< written, of two packets or more */
    uint64_t merged;       /**< packets in them */
    uint64_t singles;      /**< packets written as they were */
    uint64_t evicted;      /**< runs written because their place was needed */
    uint64_t unwritten;    /**< packets in calls of write that failed */
    uint64_t reasons[SW_COALESCE_REASONS];
};

struct sw_coalesce;

/**
 * write gets one IPv4 packet or superpacket; both pointers are valid during the call, and it must
 * not call back into the coalescer. Negative: the packet is lost, which is counted and otherwise
 * the callback's affair. This is the only allocation: about 1 MiB of address space, of which only
 * what concurrent flows need is ever touched. NULL: out of memory.
 */
struct sw_coalesce *sw_coalesce_new(int (*write)(void *user, const struct sw_vnet *vnet,
                                                 const uint8_t *packet, size_t len),
                                    void *user);

/** Open runs are dropped: flush first. */
void sw_coalesce_free(struct sw_coalesce *c);

/** Whether TCP and UDP may be merged; both at first. What is open is written before. */
void sw_coalesce_allow(struct sw_coalesce *c, bool tcp, bool udp);

/**
 * Takes a whole IPv4 packet, translated, its checksums complete. The bytes are copied or written
 * before this returns and never changed. Packets of one flow are written in the order of their
 * pushes; those of different flows may overtake each other until the next flush.
 */
void sw_coalesce_push(struct sw_coalesce *c, const uint8_t *packet, size_t len);

/** Writes all open runs: at the end of each receive batch. */
void sw_coalesce_flush(struct sw_coalesce *c);

const struct sw_coalesce_counters *sw_coalesce_counters(const struct sw_coalesce *c);

#endif
