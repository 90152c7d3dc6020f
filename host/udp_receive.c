/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Receiving datagrams, many per system call. With UDP_GRO the kernel hands over runs: datagrams of
 * one peer behind each other in one buffer, all of one length but the last, and that length in the
 * control data (docs/offload.md E.4). A run is as long as a superpacket, so each slot then takes
 * 64 KiB: whatever did not fit would be gone.
 */

#include <errno.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#include "host/address.h"
#include "host/udp.h"

#define SW_LOG_TARGET "udp"
#include "host/log.h"

union recv_control {
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo)) +
               CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

struct sw_udp_ring {
    struct mmsghdr messages[SW_UDP_SLOTS];
    struct iovec iov[SW_UDP_SLOTS];
    struct sockaddr_storage names[SW_UDP_SLOTS];
    union recv_control control[SW_UDP_SLOTS];
    uint8_t data[]; /* as many slots as are used */
};

struct sw_udp_ring *sw_udp_ring_new(bool gro)
{
    size_t slot = gro ? SW_UDP_RUN_LEN : SW_UDP_SLOT_LEN;
    unsigned slots = gro ? SW_UDP_RUN_SLOTS : SW_UDP_SLOTS;
    struct sw_udp_ring *ring = malloc(sizeof *ring + slots * slot);

    if (ring == NULL) return NULL;
    memset(ring, 0, sizeof *ring); /* the slots themselves need no clearing */
    for (unsigned i = 0; i < slots; i++) {
        ring->iov[i] = (struct iovec){ring->data + i * slot, slot};
        ring->messages[i].msg_hdr.msg_iov = &ring->iov[i];
        ring->messages[i].msg_hdr.msg_iovlen = 1;
        ring->messages[i].msg_hdr.msg_name = &ring->names[i];
        ring->messages[i].msg_hdr.msg_control = &ring->control[i];
    }
    return ring;
}

void sw_udp_ring_free(struct sw_udp_ring *ring)
{
    free(ring);
}

/* What the control data of a message say. */
struct news {
    struct sw_address local; /* family 0: not told */
    size_t stride;           /* 0: a single datagram */
};

static void read_control(struct msghdr *message, uint16_t port, struct news *out)
{
    memset(out, 0, sizeof *out);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO &&
            c->cmsg_len >= CMSG_LEN(sizeof(struct in_pktinfo))) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            out->local = sw_address_from_in(info.ipi_addr, port);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO &&
                   c->cmsg_len >= CMSG_LEN(sizeof(struct in6_pktinfo))) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            out->local = sw_address_from_in6(&info.ipi6_addr, port, info.ipi6_ifindex);
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO &&
                   c->cmsg_len >= CMSG_LEN(sizeof(int))) {
            int stride;
            memcpy(&stride, CMSG_DATA(c), sizeof stride);
            out->stride = stride > 0 ? (size_t)stride : 0;
        }
    }
}

/* Where a message came from and to. False: from nowhere that could be answered. */
static bool path_of(struct sw_udp *udp, struct msghdr *message, const struct news *news,
                    struct sw_path *path)
{
    path->local = udp->local;
    if (udp->connected) {
        path->remote = udp->remote;
        return true;
    }
    if (message->msg_namelen < sizeof(sa_family_t) ||
        sw_address_from_sockaddr(&path->remote, message->msg_name) < 0 || path->remote.port == 0) {
        udp->counters.recv_invalid_addr++;
        return false;
    }
    if (udp->pktinfo) {
        path->local = news->local;
        if (path->local.family == 0) udp->counters.recv_missing_pktinfo++;
    }
    return true;
}

/* One message, a datagram or a run of them. The number of datagrams. */
static unsigned take_message(struct sw_udp *udp, unsigned slot, sw_udp_taker take, void *user)
{
    struct mmsghdr *message = &udp->ring->messages[slot];
    size_t len = message->msg_len;
    struct news news;
    struct sw_path path;

    read_control(&message->msg_hdr, udp->local.port, &news);
    size_t stride = news.stride > 0 && news.stride < len ? news.stride : len;
    unsigned count = stride > 0 ? (unsigned)((len + stride - 1) / stride) : 1;
    udp->counters.recv_datagrams += count;
    sw_histogram_add(&udp->counters.batch_size, count);
    udp->counters.recv_bytes += len;
    if (count > 1) {
        udp->counters.gro_runs++;
        udp->counters.gro_datagrams += count;
    }
    if (message->msg_hdr.msg_flags & MSG_TRUNC) {
        udp->counters.recv_truncated++;
        return count;
    }
    if (!path_of(udp, &message->msg_hdr, &news, &path)) return count;
    uint8_t *data = udp->ring->iov[slot].iov_base;
    if (len == 0) take(user, &path, data, 0);
    for (size_t at = 0; at < len; at += stride)
        take(user, &path, data + at, len - at < stride ? len - at : stride);
    return count;
}

unsigned sw_udp_receive(struct sw_udp *udp, sw_udp_taker take, void *user, bool *drained)
{
    struct sw_udp_ring *ring = udp->ring;
    bool control = udp->pktinfo || udp->gro;
    unsigned count = 0;
    int n;

    for (unsigned i = 0; i < udp->slots; i++) {
        ring->messages[i].msg_hdr.msg_namelen = sizeof ring->names[i];
        ring->messages[i].msg_hdr.msg_controllen = control ? sizeof ring->control[i] : 0;
    }
    do {
        n = udp->sys->recvmmsg(udp->fd, ring->messages, udp->slots, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    udp->counters.recv_calls++;
    *drained = n < (int)udp->slots;
    if (n < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
        udp->counters.recv_errors++;
        sw_log_rate(SW_LOG_DEBUG, "receiving: %s", strerror(errno));
        return 0;
    }
    for (unsigned i = 0; i < (unsigned)n; i++)
        count += take_message(udp, i, take, user);
    return count;
}
