/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Opening a TUN queue and moving packets through it.
 *
 * One boolean, framing, says whether a virtio header precedes every packet; it is taken from what
 * the kernel answers to TUNGETIFF, not from what was asked, and both directions go by it
 * (docs/offload.md B, F.1). The offload mask belongs to the device and outlives its users on a
 * persistent one, so it is always set: to zero when framing is off, else a headerless reader would
 * get superpackets that an earlier program asked for.
 *
 * Superpackets that are read need the mask, those that are written only the framing: so a device
 * whose kernel refuses every mask keeps it.
 *
 * Only one error of a read says that the device is gone (EBADFD: nothing is attached any more).
 * Others are about a single packet or about memory, and a tunnel must not end of them; but as a
 * queue that does nothing but fail would keep a processor busy for ever, many in a row do.
 *
 * Writing never waits: the buffer of a TUN is unlimited unless somebody has bounded it. So a packet
 * that is not taken is dropped and counted, as any network card would do it.
 */

#include "host/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <slipway/error.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SW_LOG_TARGET "tun"
#include "host/log.h"

/* Newer than the headers of the systems we build on. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define TUN_PATH "/dev/net/tun"

#define TCP_BITS TUN_F_TSO4
#define UDP_BITS (TUN_F_USO4 | TUN_F_USO6)

/* From most to least; the kernel wants both USO bits or none (docs/offload.md E.1). */
static const unsigned masks[] = {
    TCP_BITS | TUN_F_TSO_ECN | UDP_BITS,
    TCP_BITS | TUN_F_TSO_ECN,
    TCP_BITS,
    UDP_BITS,
};

#define FAILED_READS_MAX 1000

static int fail(struct sw_tun *tun, char *why, size_t why_size, const char *what, int error)
{
    const char *hint = "";
    if (error == EPERM || error == EACCES) hint = " (CAP_NET_ADMIN is needed)";
    if (error == ENOENT || error == ENODEV || error == ENXIO)
        hint = " (the tun driver must be loaded, and a container needs the device node)";
    if (error == EBUSY) hint = " (another program uses the device)";
    snprintf(why, why_size, "TUN device %s: %s: %s%s", tun->name, what, strerror(error), hint);
    sw_tun_close(tun);
    return SW_EINVAL;
}

/*
 * Whether a program has a queue of the device, which is what its carrier says. The kernel refuses a
 * second program only where there is a single queue.
 */
static bool in_use(const struct sw_tun *tun)
{
    struct ethtool_value link = {.cmd = ETHTOOL_GLINK};
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memset(&request, 0, sizeof request);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", tun->name);
    request.ifr_data = (void *)&link;
    bool known = fd >= 0 && tun->sys->ioctl(fd, SIOCETHTOOL, &request) == 0;
    if (fd >= 0) close(fd);
    return known && link.data != 0;
}

/* A device that exists has the number of queues it was made with; ours must ask for the same. */
static int attach(struct sw_tun *tun, const struct sw_tun_config *config, bool framing)
{
    tun->multi_queue = config->multi_queue;
    for (int attempt = 0;; attempt++) {
        struct ifreq request;
        memset(&request, 0, sizeof request);
        if (tun->existed && tun->multi_queue && in_use(tun)) {
            errno = EBUSY;
            return -1;
        }
        if (config->name != NULL)
            snprintf(request.ifr_name, sizeof request.ifr_name, "%s", config->name);
        request.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | (framing ? IFF_VNET_HDR : 0) |
                                    (tun->multi_queue ? IFF_MULTI_QUEUE : 0));
        if (tun->sys->ioctl(tun->fd, TUNSETIFF, &request) == 0) {
            snprintf(tun->name, sizeof tun->name, "%s", request.ifr_name);
            return 0;
        }
        if (errno != EINVAL || !tun->existed || attempt == 1) return -1;
        tun->multi_queue = !tun->multi_queue;
    }
}

static int read_flags(struct sw_tun *tun)
{
    struct ifreq request;
    memset(&request, 0, sizeof request);
    if (tun->sys->ioctl(tun->fd, TUNGETIFF, &request) < 0) return -1;
    tun->framing = (request.ifr_flags & IFF_VNET_HDR) != 0;
    return 0;
}

static int set_mask(struct sw_tun *tun, unsigned mask)
{
    /* The argument of this one is the mask itself. */
    return tun->sys->ioctl(tun->fd, TUNSETOFFLOAD, (void *)(uintptr_t)mask);
}

/* False: what precedes packets is not a header we know. */
static bool fix_header(struct sw_tun *tun)
{
    int header = SW_VNET_LEN;
    return tun->framing && tun->sys->ioctl(tun->fd, TUNSETVNETHDRSZ, &header) == 0;
}

/* The largest mask of what is wanted that the kernel takes; 0 if nothing is or none. */
static int choose_mask(struct sw_tun *tun, const struct sw_tun_config *config)
{
    unsigned wanted =
        (config->read_tcp ? TCP_BITS | TUN_F_TSO_ECN : 0) | (config->read_udp ? UDP_BITS : 0);
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        unsigned mask = masks[i] & wanted;
        if (mask == 0 || mask == TUN_F_TSO_ECN || mask == refused) continue;
        if (set_mask(tun, mask | TUN_F_CSUM) == 0) {
            tun->mask = mask | TUN_F_CSUM;
            return 0;
        }
        if (tun->mask_error == 0) tun->mask_error = errno;
        refused = mask;
    }
    return set_mask(tun, 0);
}

bool sw_tun_reads_tcp(const struct sw_tun *tun)
{
    return (tun->mask & TCP_BITS) != 0;
}

bool sw_tun_reads_udp(const struct sw_tun *tun)
{
    return (tun->mask & UDP_BITS) != 0;
}

/* One try at opening with or without the virtio header. 0, 1: there is no header of ours, or -1. */
static int open_queue(struct sw_tun *tun, const struct sw_tun_config *config, bool framing,
                      const char **what)
{
    *what = "open " TUN_PATH;
    tun->fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tun->fd < 0) return -1;
    *what = "attach";
    if (attach(tun, config, framing) < 0) return -1;
    *what = "TUNGETIFF";
    if (read_flags(tun) < 0) return -1;
    tun->mask = 0;
    *what = "TUNSETOFFLOAD";
    if (!framing) return set_mask(tun, 0);
    if (fix_header(tun)) return choose_mask(tun, config);
    return 1;
}

/* Like the mask, a steering program outlives its users on a persistent device. */
static void forget_steering(struct sw_tun *tun)
{
    int none = -1;
    if (tun->existed) tun->sys->ioctl(tun->fd, TUNSETSTEERINGEBPF, &none);
}

int sw_tun_open(struct sw_tun *tun, const struct sw_tun_config *config, const struct sw_sys *sys,
                char *why, size_t why_size)
{
    const char *what;
    *tun = (struct sw_tun){.fd = -1, .sys = sys};
    if (config->name != NULL) {
        if (strlen(config->name) >= sizeof tun->name) {
            snprintf(why, why_size, "TUN device \"%s\": the name is longer than 15 bytes",
                     config->name);
            return SW_EINVAL;
        }
        snprintf(tun->name, sizeof tun->name, "%s", config->name);
        tun->existed = if_nametoindex(config->name) != 0;
    }

    int result = open_queue(tun, config, config->framing, &what);
    if (result >= 0) forget_steering(tun);
    if (result > 0) {
        close(tun->fd);
        result = open_queue(tun, config, false, &what);
    }
    if (result < 0) return fail(tun, why, why_size, what, errno);

    tun->index = if_nametoindex(tun->name);
    if (tun->index == 0) return fail(tun, why, why_size, "index", errno);
    return 0;
}

int sw_tun_open_queue(struct sw_tun *queue, const struct sw_tun *first, char *why, size_t why_size)
{
    const char *what = "another descriptor";
    *queue = *first;
    memset(&queue->counters, 0, sizeof queue->counters);
    if (!first->multi_queue) {
        queue->write_only = true;
        queue->fd = fcntl(first->fd, F_DUPFD_CLOEXEC, 0);
        return queue->fd >= 0 ? 0 : fail(queue, why, why_size, what, errno);
    }
    const struct sw_tun_config config = {
        .name = first->name,
        .framing = first->framing,
        .read_tcp = sw_tun_reads_tcp(first),
        .read_udp = sw_tun_reads_udp(first),
        .multi_queue = true,
    };
    queue->existed = false; /* for it is our own by now */
    int result = open_queue(queue, &config, first->framing, &what);
    queue->existed = first->existed;
    if (result < 0) return fail(queue, why, why_size, what, errno);
    if (queue->framing == first->framing && queue->mask == first->mask) return 0;
    snprintf(why, why_size, "TUN device %s: another queue came up with other offloads",
             first->name);
    sw_tun_close(queue);
    return SW_EINVAL;
}

void sw_tun_close(struct sw_tun *tun)
{
    if (tun->fd >= 0) close(tun->fd);
    tun->fd = -1;
}

int sw_tun_refresh(struct sw_tun *tun, struct sw_netlink *nl)
{
    struct sw_link_info info;
    if (sw_netlink_link(nl, tun->index, &info) < 0) return -1;
    tun->mtu = info.mtu;
    if (tun->mask != 0 && info.gso_max_size != 0 && info.gso_max_size < 65536)
        sw_log_warn("gso_max_size of %s is %u: the kernel cuts forwarded superpackets above that "
                    "into single packets; set it back with ip link set dev %s gso_max_size 65536",
                    tun->name, info.gso_max_size, tun->name);
    return 0;
}

static int failed_read(struct sw_tun *tun, int error)
{
    bool gone = error == EBADFD || error == EBADF;
    tun->counters.read_errors++;
    sw_log_rate(SW_LOG_ERROR, "reading from %s: %s", tun->name, strerror(error));
    if (error == ENOMEM || error == ENOBUFS) return 0; /* there may be some the next time */
    return gone || ++tun->failed_reads >= FAILED_READS_MAX ? SW_ECLOSED : SW_EAGAIN;
}

ssize_t sw_tun_read(struct sw_tun *tun, uint8_t *buffer, size_t size, struct sw_vnet *vnet)
{
    uint8_t header[SW_VNET_LEN];
    struct iovec iov[2] = {{header, sizeof header}, {buffer, size}};
    ssize_t n =
        tun->framing ? tun->sys->readv(tun->fd, iov, 2) : tun->sys->readv(tun->fd, iov + 1, 1);
    if (n < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            tun->counters.read_blocked++;
            return 0;
        }
        return errno == EINTR ? SW_EAGAIN : failed_read(tun, errno);
    }
    tun->failed_reads = 0;
    memset(vnet, 0, sizeof *vnet);
    if (tun->framing) {
        if (n <= SW_VNET_LEN) {
            tun->counters.short_reads++;
            return SW_EAGAIN;
        }
        sw_vnet_decode(header, vnet);
        n -= SW_VNET_LEN;
    } else if (n == 0) {
        tun->counters.short_reads++;
        return SW_EAGAIN;
    }
    tun->counters.reads++;
    tun->counters.read_bytes += (uint64_t)n;
    tun->counters.superpackets += sw_vnet_is_super(vnet);
    return n;
}

int sw_tun_write_super(struct sw_tun *tun, const struct sw_vnet *vnet, const uint8_t *packet,
                       size_t len)
{
    uint8_t header[SW_VNET_LEN];
    sw_vnet_encode(header, vnet);
    struct iovec iov[2] = {{header, sizeof header}, {(void *)(uintptr_t)packet, len}};
    ssize_t n;
    do {
        n = tun->framing ? tun->sys->writev(tun->fd, iov, 2)
                         : tun->sys->writev(tun->fd, iov + 1, 1);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return -1;
    tun->counters.writes++;
    tun->counters.write_bytes += len;
    if (sw_vnet_is_super(vnet)) tun->counters.superpackets_written++;
    return 0;
}

void sw_tun_refused(struct sw_tun *tun, int error)
{
    static const struct {
        int error;
        enum sw_tun_refusal reason;
    } table[] = {
        {ENOBUFS, SW_TUN_REFUSED_NO_BUFFERS}, {ENOMEM, SW_TUN_REFUSED_NO_BUFFERS},
        {EAGAIN, SW_TUN_REFUSED_FULL},        {EIO, SW_TUN_REFUSED_DOWN},
        {EINVAL, SW_TUN_REFUSED_INVALID},     {EMSGSIZE, SW_TUN_REFUSED_INVALID},
        {EOPNOTSUPP, SW_TUN_REFUSED_INVALID},
    };
    enum sw_tun_refusal reason = SW_TUN_REFUSED_OTHER;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].error == error) reason = table[i].reason;
    tun->counters.write_errors++;
    tun->counters.write_dropped[reason]++;
    sw_log_rate(SW_LOG_DEBUG, "writing to %s: %s", tun->name, strerror(error));
}

bool sw_tun_write(struct sw_tun *tun, const uint8_t *packet, size_t len)
{
    static const struct sw_vnet plain;
    if (sw_tun_write_super(tun, &plain, packet, len) == 0) return true;
    sw_tun_refused(tun, errno);
    return false;
}
