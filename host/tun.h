/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_TUN_H
#define SW_HOST_TUN_H

/*
 * A queue of a TUN device: opened with what the kernel can, read and written one packet or
 * superpacket at a time (docs/offload.md A.2, A.3, E.1 to E.3).
 */

#include <slipway/vnet.h>

#include "host/netlink.h"
#include "host/sys.h"

#define SW_TUN_MTU        1350  /**< of devices that we make, and of the client's always */
#define SW_TUN_MTU_MOST   1431  /**< one Data frame carries that much */
#define SW_TUN_PACKET_MAX 65535 /**< longest packet that can be read */

/** Most that the tunnel adds to an inside packet, outer IPv4 header included
 * (docs/protocol/expresslane.md §3). */
#define SW_TUN_OVERHEAD 84

struct sw_tun_config {
    const char *name;        /**< NULL: the kernel chooses */
    bool framing;            /**< a virtio header before every packet, if the device can */
    bool read_tcp, read_udp; /**< superpackets wanted, which takes framing */
    bool multi_queue;        /**< of a device that is made; one that exists decides itself */
};

/** Why the kernel did not take a packet, by errno. */
enum sw_tun_refusal {
    SW_TUN_REFUSED_NO_BUFFERS, /**< ENOBUFS, ENOMEM */
    SW_TUN_REFUSED_FULL,       /**< EAGAIN: somebody has bounded the device's buffer */
    SW_TUN_REFUSED_DOWN,       /**< EIO: the device is down */
    SW_TUN_REFUSED_INVALID,    /**< EINVAL, EMSGSIZE, EOPNOTSUPP */
    SW_TUN_REFUSED_OTHER,
    SW_TUN_REFUSALS
};

struct sw_tun_counters {
    uint64_t reads;        /**< packets and superpackets read */
    uint64_t read_bytes;   /**< without the virtio header */
    uint64_t superpackets; /**< of the reads */
    uint64_t read_blocked; /**< reads that found nothing */
    uint64_t short_reads, read_errors;
    uint64_t writes, write_bytes;
    uint64_t superpackets_written;           /**< of the writes */
    uint64_t write_errors;                   /**< packets the kernel did not take */
    uint64_t write_dropped[SW_TUN_REFUSALS]; /**< the same by reason */
};

struct sw_tun {
    int fd; /**< -1: closed */
    char name[16];
    unsigned index;
    bool existed;              /**< was there before us: left as it is but for being brought up */
    bool framing;              /**< a virtio header precedes every packet, in both directions */
    unsigned mask;             /**< what TUNSETOFFLOAD accepted; 0 without framing */
    int mask_error;            /**< errno of the first mask it refused; 0: none */
    bool takes_tcp, takes_udp; /**< superpackets may be written; for the owner to find out */
    bool multi_queue;
    bool write_only; /**< another one reads for it: a device with a single queue */
    unsigned mtu;    /**< as sw_tun_refresh() last read it */
    struct sw_tun_counters counters;
    const struct sw_sys *sys;
    /* private */
    unsigned failed_reads; /* in a row */
};

/** Superpackets come out of the device. */
bool sw_tun_reads_tcp(const struct sw_tun *tun);
bool sw_tun_reads_udp(const struct sw_tun *tun);

/**
 * Attaches to the device of that name or makes it, with as much of what is wanted as it can. 0, or
 * a negative SW_E… with one sentence in why. The device is not yet up.
 */
int sw_tun_open(struct sw_tun *tun, const struct sw_tun_config *config, const struct sw_sys *sys,
                char *why, size_t why_size);
void sw_tun_close(struct sw_tun *tun);

/**
 * One more queue of a device that is open, for another thread; of a device with a single queue one
 * that only writes. It gets what first knows. 0, or a negative SW_E… with one sentence in why.
 */
int sw_tun_open_queue(struct sw_tun *queue, const struct sw_tun *first, char *why, size_t why_size);

/** Reads MTU and limits from the kernel; warns about a lowered gso_max_size. -1 with errno. */
int sw_tun_refresh(struct sw_tun *tun, struct sw_netlink *nl);

/**
 * One packet into buffer (size at least SW_TUN_PACKET_MAX); *vnet is all zero without framing. Its
 * length; 0: nothing there now; SW_EAGAIN: a read that yielded no packet, try again; SW_ECLOSED:
 * the device cannot be read any more, most likely because it was deleted.
 */
ssize_t sw_tun_read(struct sw_tun *tun, uint8_t *buffer, size_t size, struct sw_vnet *vnet);

/**
 * A packet, or with framing a superpacket, as vnet says. 0, or -1 with errno: the kernel did not
 * take it, which only the caller can judge and count.
 */
int sw_tun_write_super(struct sw_tun *tun, const struct sw_vnet *vnet, const uint8_t *packet,
                       size_t len);

/** Counts and logs a packet that is lost because the kernel did not take it. */
void sw_tun_refused(struct sw_tun *tun, int error);

/** One whole packet with a complete checksum. False: the kernel did not take it (counted). */
bool sw_tun_write(struct sw_tun *tun, const uint8_t *packet, size_t len);

#endif
