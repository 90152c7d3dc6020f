/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_UDP_SEND_H
#define SW_HOST_UDP_SEND_H

/*
 * Sends a batch of datagrams: each chunk is one message with UDP_SEGMENT, many messages leave in
 * one sendmmsg(2).
 */

#include <slipway/batch.h>
#include <slipway/engine.h>

#include "host/histogram.h"
#include "host/udp.h"

#define SW_UDP_SEND_MESSAGES 64 /**< most messages of one call */

/** Datagrams that the kernel did not take, by errno. */
enum sw_udp_drop {
    SW_UDP_DROP_NO_BUFFERS,  /**< ENOBUFS, ENOMEM */
    SW_UDP_DROP_TOO_LONG,    /**< EMSGSIZE */
    SW_UDP_DROP_UNREACHABLE, /**< ENETUNREACH, EHOSTUNREACH, ENETDOWN, EADDRNOTAVAIL */
    SW_UDP_DROP_REFUSED,     /**< ECONNREFUSED */
    SW_UDP_DROP_FORBIDDEN,   /**< EPERM, EACCES */
    SW_UDP_DROP_OTHER,
    SW_UDP_DROPS
};

struct sw_udp_send_counters {
    uint64_t calls;                       /**< sendmmsg */
    uint64_t messages, datagrams, bytes;  /**< taken by the kernel */
    uint64_t gso_messages, gso_datagrams; /**< of these with UDP_SEGMENT */
    uint64_t blocked;                     /**< the socket was full; the rest of the batch waits */
    uint64_t gso_send_failed;       /**< messages refused because of UDP_SEGMENT, sent singly */
    uint64_t gso_latched;           /**< how often UDP_SEGMENT was switched off */
    uint64_t gso_off;               /**< 1: it is switched off now */
    uint64_t gso_peer_limited;      /**< how often a peer's stride was limited */
    uint64_t dropped[SW_UDP_DROPS]; /**< datagrams */
    struct sw_histogram batch_size; /**< datagrams in one message */
};

struct sw_udp_sender;

/**
 * Sends through udp and counts in counters, both of which must outlive it. max_messages: per call,
 * 1..SW_UDP_SEND_MESSAGES. NULL: out of memory.
 */
struct sw_udp_sender *sw_udp_sender_new(const struct sw_udp *udp,
                                        struct sw_udp_send_counters *counters,
                                        unsigned max_messages);
void sw_udp_sender_free(struct sw_udp_sender *sender);

/**
 * Sends all of batch and empties it: 0. SW_EAGAIN: the socket is full, the batch keeps its contents
 * and the sender knows how much of it is gone; more may be put into the batch; call again when the
 * socket is writable. Always with the same batch. Nothing else is reported: what the kernel refuses
 * is counted and dropped, or sent as single datagrams where only UDP_SEGMENT was the trouble.
 */
int sw_udp_sender_flush(struct sw_udp_sender *sender, struct sw_batch *batch, sw_time now);

/**
 * Tells the engine what flushes have found too long for the link since the last call. True: it was
 * told something, and may have put more into its batch. Not from within the engine.
 */
bool sw_udp_sender_report(struct sw_udp_sender *sender, struct sw_engine *engine, sw_time now);

#endif
