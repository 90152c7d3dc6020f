/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_OFFLOAD_RUN_H
#define SW_OFFLOAD_RUN_H

/*
 * One superpacket in the making (docs/offload.md C.2, F.13): packets of one flow that a segmenter
 * would give back as they were. Used by the coalescer only, which knows several.
 */

#include <slipway/vnet.h>

#include "lib/offload/coalesce.h"

/** Bytes of a run's buffer: a whole superpacket. */
#define SW_RUN_BYTES 65536

/** How much of a packet's flow could be read. */
enum sw_flow_scope {
    SW_FLOW_UNKNOWN,   /**< not IPv4: belongs to nothing */
    SW_FLOW_ADDRESSES, /**< a fragment, say: may belong to any flow between the two addresses */
    SW_FLOW_PORTS,
};

/** Addresses and ports as they lie in the packet; ports are 0 unless the scope says otherwise. */
struct sw_flow {
    uint64_t addresses;
    uint32_t ports;
    uint8_t protocol;
};

/** A packet as sw_run_examine() saw it; fields behind scope are set for mergeable packets only. */
struct sw_run_packet {
    const uint8_t *data;
    size_t len;
    struct sw_flow flow;
    enum sw_flow_scope scope;
    bool last;         /**< PSH or FIN: nothing may follow it in a run */
    uint16_t id;       /**< IP identification */
    size_t headers;    /**< bytes of IP and transport header */
    uint32_t sequence; /**< TCP only */
};

struct sw_run {
    uint8_t *buffer; /**< SW_RUN_BYTES; the first packet's headers, then the payload of all */
    size_t len;
    struct sw_flow flow;
    size_t headers;
    size_t gso_size;   /**< payload of the first packet */
    unsigned count;    /**< packets */
    bool closed;       /**< takes no further packet */
    uint8_t flags;     /**< TCP: of the last packet, which include those of all others */
    uint16_t id;       /**< that the next packet must have */
    uint32_t sequence; /**< the same, TCP only */
};

/**
 * Reads the packet and says whether it could ever be merged, checksums aside. flow and scope are
 * always set.
 */
enum sw_coalesce_reason sw_run_examine(const uint8_t *data, size_t len, struct sw_run_packet *p);

/**
 * Begins a run with a mergeable packet that is not the last of one; run->buffer must be set.
 * SW_COALESCE_CHECKSUM: it is damaged, there is no run.
 */
enum sw_coalesce_reason sw_run_start(struct sw_run *run, const struct sw_run_packet *p);

/** Adds a mergeable packet of the same flow, or says why not and leaves the run as it was. */
enum sw_coalesce_reason sw_run_join(struct sw_run *run, const struct sw_run_packet *p);

/**
 * Makes the buffer's first run->len bytes a superpacket and fills its virtio header. A run of one
 * stays the packet it was, with a header of zeros.
 */
void sw_run_finish(struct sw_run *run, struct sw_vnet *vnet);

#endif
