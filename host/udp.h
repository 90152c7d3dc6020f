/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_UDP_H
#define SW_HOST_UDP_H

/*
 * A UDP socket as the tunnel needs it, and receiving from it. Sending is host/udp_send.h.
 */

#include <slipway/types.h>

#include "host/histogram.h"
#include "host/reuseport.h"
#include "host/sys.h"

#define SW_UDP_SLOTS     32    /**< most datagrams of one receive call without UDP_GRO */
#define SW_UDP_SLOT_LEN  2048  /**< longest datagram taken; longer ones are counted and dropped */
#define SW_UDP_RUN_SLOTS 8     /**< most runs of datagrams of one receive call with UDP_GRO */
#define SW_UDP_RUN_LEN   65536 /**< a run may be that long; a shorter buffer would lose its rest */

struct sw_udp_config {
    struct sw_address local;  /**< to bind to; family 0: none (client) */
    struct sw_address remote; /**< to connect to; family 0: none (server) */
    uint64_t send_buffer;     /**< bytes; 0: leave */
    uint64_t receive_buffer;  /**< bytes; 0: leave */
    uint32_t mark;            /**< SO_MARK; 0: none */
    bool never_df;            /**< IPv4 without DF, ICMP "fragmentation needed" ignored; IPv6: the
                                  kernel cuts to what "packet too big" says */
    bool gro;                 /**< take runs of datagrams at once, if the kernel can (UDP_GRO) */
    enum sw_reuseport place;  /**< among the sockets of one local address */
    unsigned slots;           /**< without gro: datagrams per receive call, 1..SW_UDP_SLOTS */
};

struct sw_udp_counters {
    uint64_t recv_calls, recv_datagrams, recv_bytes;
    uint64_t gro_runs, gro_datagrams; /**< runs of several datagrams, and what was in them */
    uint64_t recv_truncated, recv_invalid_addr, recv_missing_pktinfo, recv_errors;
    struct sw_histogram batch_size; /**< datagrams in one message, single or run */
};

struct sw_udp {
    int fd;     /**< -1: closed */
    int family; /**< AF_INET or AF_INET6 */
    bool connected;
    bool pktinfo; /**< bound to a wildcard: each datagram brings and takes its local address */
    bool gro;     /**< UDP_GRO is on */
    int discover4, discover6; /**< IP_MTU_DISCOVER and IPV6_MTU_DISCOVER of ordinary datagrams */
    struct sw_address local, remote;
    struct sw_udp_counters counters;
    /* private */
    const struct sw_sys *sys;
    unsigned slots;
    struct sw_udp_ring *ring;
};

/**
 * Opens, configures, binds and connects as config says; non-blocking, close-on-exec. 0, or a
 * negative SW_E… with one sentence in why. Buffers that the kernel grants only partly are a warning
 * in the log that names the sysctl. A mark or DF setting that the kernel refuses is an error for a
 * server's socket and a warning for a client's.
 */
int sw_udp_open(struct sw_udp *udp, const struct sw_udp_config *config, const struct sw_sys *sys,
                char *why, size_t why_size);

/**
 * A connected socket sends from the address that was right when it was connected. Connects it again
 * if the kernel would now send to the peer from another, which gives it another port as well. True:
 * it did, and *local is where the socket sends from now. False: nothing changed, or there is no way
 * to the peer at the moment. Never from inside, the tunnel's own address, which is what the kernel
 * takes when the host has no other; NULL: there is none.
 */
bool sw_udp_follow_route(struct sw_udp *udp, const struct sw_address *inside,
                         struct sw_address *local);

/**
 * While probing, what the socket sends has DF and leaves whole or not at all (EMSGSIZE). 0, or
 * SW_EINVAL: the kernel does not do that.
 */
int sw_udp_set_probing(const struct sw_udp *udp, bool probing);

/** Closes the socket; may be called on a struct that is all zero with fd -1, and twice. */
void sw_udp_close(struct sw_udp *udp);

/** A datagram that came in; data may be changed and is valid during the call. */
typedef void (*sw_udp_taker)(void *user, const struct sw_path *path, uint8_t *data, size_t len);

/**
 * One receive call; take is called for each datagram. The number of datagrams, 0 when none was
 * there; *drained says that the socket had no more than that. Errors are counted and never fatal:
 * on a datagram socket they are news about an earlier send.
 */
unsigned sw_udp_receive(struct sw_udp *udp, sw_udp_taker take, void *user, bool *drained);

/* Buffers of sw_udp_receive(). NULL: out of memory. */
struct sw_udp_ring *sw_udp_ring_new(bool gro);
void sw_udp_ring_free(struct sw_udp_ring *ring);

#endif
