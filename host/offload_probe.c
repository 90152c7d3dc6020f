/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Tries what the kernel says it can before anybody's packets depend on it (docs/offload.md E.3,
 * E.4, F.4, F.5).
 *
 * UDP_SEGMENT and UDP_GRO are tried on sockets on loopback. That says what the kernel can, not what
 * the way to a peer takes: host/udp_send.c learns the rest from errors.
 *
 * What may be written to a TUN device cannot be asked: the offload mask is about reading only. So
 * two tiny superpackets are written to the device itself, which is up. They are told apart from
 * everything real by an IP header whose checksum is wrong, and throwing that away is the first
 * thing any IPv4 stack does, before firewalls, routes and sockets; the addresses, 0.0.0.0 both,
 * would do the same a little later. The driver looks at the virtio header first, and an error from
 * there is the answer. A device of our own beside it would be seen by everything that watches for
 * devices, and would prove less.
 */

#include <errno.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <slipway/vnet.h>
#include <string.h>
#include <unistd.h>

#include "host/offload.h"
#include "lib/base/bytes.h"

/* --- UDP ---------------------------------------------------------------------------------------*/

/* 1: sent. 0: this many segments are refused. -1: no answer to be had here. */
static int try_segments(const struct sw_sys *sys, int fd, struct sockaddr_in *to, unsigned count)
{
    static uint8_t payload[8 * 128];
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {payload, 8 * (size_t)count};
    struct mmsghdr message = {.msg_hdr = {.msg_name = to,
                                          .msg_namelen = sizeof *to,
                                          .msg_iov = &iov,
                                          .msg_iovlen = 1,
                                          .msg_control = &control,
                                          .msg_controllen = sizeof control}};
    uint16_t stride = 8;
    memset(&control, 0, sizeof control);
    control.align.cmsg_level = IPPROTO_UDP;
    control.align.cmsg_type = UDP_SEGMENT;
    control.align.cmsg_len = CMSG_LEN(sizeof stride);
    memcpy(CMSG_DATA(&control.align), &stride, sizeof stride);
    if (sys->sendmmsg(fd, &message, 1, MSG_DONTWAIT) == 1) return 1;
    return errno == EINVAL || errno == EIO || errno == EOPNOTSUPP || errno == EMSGSIZE ? 0 : -1;
}

unsigned sw_udp_probe_segments(const struct sw_sys *sys)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof to;
    unsigned result = 64;
    int error = 0;
    int in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (in >= 0 && out >= 0 && bind(in, (struct sockaddr *)&to, sizeof to) == 0 &&
        getsockname(in, (struct sockaddr *)&to, &len) == 0) {
        if (try_segments(sys, out, &to, 128) == 1) {
            result = 128;
        } else if (try_segments(sys, out, &to, 64) == 0) {
            result = 1;
            error = errno;
        }
    }
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    errno = error;
    return result;
}

static void probe_udp_gro(struct sw_offloads *offloads, const struct sw_sys *sys)
{
    int on = 1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return; /* opening the real socket will say it better */
    if (sys->setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0)
        sw_offload_deny(offloads, SW_OFFLOAD_UDP_GRO, "the kernel refuses it (%s)",
                        strerror(errno));
    close(fd);
}

void sw_offload_probe_udp(struct sw_offloads *offloads, const struct sw_sys *sys)
{
    if (sw_offload_is_on(offloads, SW_OFFLOAD_UDP_SEGMENT)) {
        unsigned most = sw_udp_probe_segments(sys);
        if (most == 1)
            sw_offload_deny(offloads, SW_OFFLOAD_UDP_SEGMENT, "the kernel refuses it (%s)",
                            strerror(errno));
        if (most < offloads->max_segments) offloads->max_segments = most;
    }
    if (sw_offload_is_on(offloads, SW_OFFLOAD_UDP_GRO)) probe_udp_gro(offloads, sys);
}

/* --- TUN ---------------------------------------------------------------------------------------*/

#define IP_HEADER  20
#define TCP_HEADER 20
#define UDP_HEADER 8
#define SEGMENT    8 /* bytes of payload */

/* Two segments of a protocol, in a packet that no stack takes. Its length. */
static size_t make_superpacket(uint8_t *packet, struct sw_vnet *vnet, bool tcp)
{
    size_t transport = tcp ? TCP_HEADER : UDP_HEADER;
    size_t len = IP_HEADER + transport + (size_t)2 * SEGMENT;

    memset(packet, 0, len);
    packet[0] = 0x45;
    sw_put_be16(packet + 2, (uint16_t)len);
    packet[8] = 1; /* TTL */
    packet[9] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
    sw_put_be16(packet + 10, 0xdead); /* the right sum is another for either protocol */
    if (tcp) {
        packet[IP_HEADER + 12] = TCP_HEADER / 4 << 4;
        packet[IP_HEADER + 13] = 0x10; /* ACK */
    } else {
        sw_put_be16(packet + IP_HEADER + 4, (uint16_t)(len - IP_HEADER));
    }
    *vnet = (struct sw_vnet){
        .flags = SW_VNET_NEEDS_CSUM,
        .gso_type = tcp ? SW_GSO_TCPV4 : SW_GSO_UDP_L4,
        .hdr_len = (uint16_t)(IP_HEADER + transport),
        .gso_size = SEGMENT,
        .csum_start = IP_HEADER,
        .csum_offset = tcp ? 16 : 6,
    };
    return len;
}

/* 0, or errno. */
static int try_write(const struct sw_tun *tun, bool tcp)
{
    uint8_t header[SW_VNET_LEN], packet[64];
    struct sw_vnet vnet;
    struct iovec iov[2] = {{header, sizeof header}, {packet, make_superpacket(packet, &vnet, tcp)}};
    sw_vnet_encode(header, &vnet);
    return tun->sys->writev(tun->fd, iov, 2) < 0 ? errno : 0;
}

void sw_offload_probe_tun(struct sw_offloads *offloads, struct sw_tun *tun)
{
    const enum sw_offload kinds[] = {SW_OFFLOAD_TUN_GRO, SW_OFFLOAD_TUN_GRO_UDP};
    for (size_t i = 0; i < 2; i++) {
        if (!sw_offload_is_on(offloads, kinds[i])) continue;
        int error = try_write(tun, i == 0);
        if (error != 0)
            sw_offload_deny(offloads, kinds[i], "%s does not take it (%s)", tun->name,
                            strerror(error));
    }
    tun->takes_tcp = sw_offload_is_on(offloads, SW_OFFLOAD_TUN_GRO);
    tun->takes_udp = sw_offload_is_on(offloads, SW_OFFLOAD_TUN_GRO_UDP);
}
