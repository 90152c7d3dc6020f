/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_TUN_QUEUE_H
#define SW_HOST_TUN_QUEUE_H

/*
 * Bounds the queue of a TUN device in time. The kernel counts it in packets: 640 single packets are
 * a millisecond or two, 640 superpackets are 40 MB, and a ping behind them waits. What is read
 * decides which of the two it is.
 *
 * The length is the device's. Where workers have a queue of it each, it is short while any of them
 * reads superpackets.
 */

#include <slipway/types.h>
#include <stdatomic.h>

#include "host/netlink.h"
#include "host/tun.h"

/** While single packets come: the kernel's own 500, and room for what it frees late (a reader's
 * places in the ring become free sixteen at a time), so that a burst of 500 fits in any case. */
#define SW_TUN_QUEUE_PACKETS 640
#define SW_TUN_QUEUE_SUPER   64  /**< while superpackets come */
#define SW_TUN_QUEUE_QUIET   250 /**< windows of 20 ms without them before it is long again */

struct sw_tun_queue {
    struct sw_netlink *nl; /**< NULL: the device's length is not ours to set */
    unsigned index;
    unsigned length;   /**< as this queue wants it */
    uint64_t changes;  /**< how often that changed */
    uint64_t is_short; /**< 1 while superpackets come; a gauge that can be summed */
    /* private */
    _Atomic unsigned *bulk, alone;
    uint64_t reads, bytes; /* counters at the start of the window */
    sw_time window_end;
    unsigned quiet; /* windows without superpackets */
};

/**
 * Watches a device that we made; one that existed is left alone. Sets the length for single
 * packets. A failure costs latency only: it is logged, and the queue stays as it is. bulk is shared
 * by all queues of the device, says how many of them read superpackets, and starts at 0; NULL:
 * there is but one.
 */
void sw_tun_queue_open(struct sw_tun_queue *queue, const struct sw_tun *tun,
                       _Atomic unsigned *bulk);
void sw_tun_queue_close(struct sw_tun_queue *queue);

/** Looks at what has been read by now; cheap, for every wake-up. */
void sw_tun_queue_look(struct sw_tun_queue *queue, const struct sw_tun_counters *counters,
                       sw_time now);

/** The queue is short: look again soon even if nothing is read. */
static inline bool sw_tun_queue_short(const struct sw_tun_queue *queue)
{
    return queue->length == SW_TUN_QUEUE_SUPER;
}

#endif
