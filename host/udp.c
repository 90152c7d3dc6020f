/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Opening a UDP socket. Receiving from it is udp_receive.c, sending udp_send.c.
 *
 * A server bound to a wildcard address must answer from the address that the client used, or the
 * client's firewall and its own check of the source drop the answer: packet info is on then, and
 * each datagram carries its local address up to the engine and back down to the sender. On an IPv6
 * wildcard, IPv4 peers come in their mapped form through IPV6_PKTINFO alike (host/address.h undoes
 * the mapping).
 *
 * The socket of a server never sets DF and ignores "fragmentation needed": a forged ICMP could
 * otherwise shrink the path of any client (docs/protocol/session.md §9.1). IP_RECVERR stays off: it
 * would report one client's ICMP errors on sends to another (docs/offload.md E.4).
 */

#include "host/udp.h"

#include <errno.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/address.h"

#define SW_LOG_TARGET "udp"
#include "host/log.h"

static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

/* The kernel doubles what is asked for its own bookkeeping and reports the doubled value. */
static void set_buffer(int fd, uint64_t wanted, int force, int normal, const char *what,
                       const char *sysctl, bool quiet)
{
    if (wanted == 0) return;
    int value = wanted > INT32_MAX / 2 ? INT32_MAX / 2 : (int)wanted;
    if (set_int(fd, SOL_SOCKET, force, value) < 0) set_int(fd, SOL_SOCKET, normal, value);
    int granted = 0;
    socklen_t len = sizeof granted;
    if (getsockopt(fd, SOL_SOCKET, normal, &granted, &len) < 0) return;
    if (granted / 2 < value && !quiet)
        sw_log_warn("the %s buffer of the UDP socket is %d bytes instead of %d: raise it with "
                    "sysctl -w %s=%d",
                    what, granted / 2, value, sysctl, value);
}

/*
 * Towards IPv4 without DF, so that whoever has the narrow link cuts, and no ICMP message, which
 * anybody can forge, is believed. IPv6 routers do not cut: there the message has to be believed,
 * and the kernel cuts; forged ones can make it cut to 1280 bytes, and that is all.
 */
static int set_never_df(int fd, int family)
{
    if (family == AF_INET) return set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT); /* for IPv4 peers; v6-only: fails */
    return set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

static int mtu_discover(int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, level, option, &value, &len) == 0 ? value : 0;
}

/* What sw_udp_set_probing() goes back to. */
static void note_discover(struct sw_udp *udp)
{
    udp->discover4 = mtu_discover(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER);
    if (udp->family == AF_INET6)
        udp->discover6 = mtu_discover(udp->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER);
}

int sw_udp_set_probing(const struct sw_udp *udp, bool probing)
{
    int value4 = probing ? IP_PMTUDISC_PROBE : udp->discover4;
    int value6 = probing ? IPV6_PMTUDISC_PROBE : udp->discover6;
    int error = udp->sys->setsockopt(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER, &value4, sizeof value4);
    if (udp->family == AF_INET6) /* the first was for IPv4 peers, if it may have any */
        error =
            udp->sys->setsockopt(udp->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &value6, sizeof value6);
    return error < 0 ? SW_EINVAL : 0;
}

static int set_pktinfo(int fd, int family)
{
    if (family == AF_INET) return set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
    return set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

static int fail(struct sw_udp *udp, char *why, size_t why_size, const char *what)
{
    int error = errno;
    snprintf(why, why_size, "UDP socket: %s: %s", what, strerror(error));
    sw_udp_close(udp);
    return error == ENOMEM || error == ENOBUFS ? SW_ENOMEM : SW_EINVAL;
}

static int bind_in_place(struct sw_udp *udp, enum sw_reuseport place,
                         const struct sockaddr_storage *address, socklen_t len)
{
    if (sw_reuseport_before_bind(udp->fd, place, udp->sys) < 0) return -1;
    if (bind(udp->fd, (const struct sockaddr *)address, len) < 0) return -1;
    return sw_reuseport_after_bind(udp->fd, place, udp->sys);
}

static int bind_local(struct sw_udp *udp, enum sw_reuseport place, char *why, size_t why_size)
{
    char text[SW_ADDRESS_TEXT], what[SW_ADDRESS_TEXT + 16];
    struct sockaddr_storage address;
    udp->pktinfo = sw_address_is_any(&udp->local);
    if (udp->pktinfo && udp->family == AF_INET6)
        set_int(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, 0); /* [::] means every address */
    if (udp->pktinfo && set_pktinfo(udp->fd, udp->family) < 0)
        return fail(udp, why, why_size, "IP_PKTINFO");
    socklen_t len = sw_address_to_sockaddr(&udp->local, udp->family, &address);
    if (bind_in_place(udp, place, &address, len) < 0) {
        snprintf(what, sizeof what, "bind to %s", sw_address_text(&udp->local, text));
        return fail(udp, why, why_size, what);
    }
    len = sizeof address;
    if (getsockname(udp->fd, (struct sockaddr *)&address, &len) == 0)
        sw_address_from_sockaddr(&udp->local, (struct sockaddr *)&address);
    return 0;
}

static int connect_remote(struct sw_udp *udp, char *why, size_t why_size)
{
    char text[SW_ADDRESS_TEXT], what[SW_ADDRESS_TEXT + 16];
    struct sockaddr_storage address;
    socklen_t len = sw_address_to_sockaddr(&udp->remote, udp->family, &address);
    if (connect(udp->fd, (struct sockaddr *)&address, len) < 0) {
        snprintf(what, sizeof what, "connect to %s", sw_address_text(&udp->remote, text));
        return fail(udp, why, why_size, what);
    }
    udp->connected = true;
    return 0;
}

int sw_udp_open(struct sw_udp *udp, const struct sw_udp_config *config, const struct sw_sys *sys,
                char *why, size_t why_size)
{
    bool server = config->local.family != 0;
    *udp = (struct sw_udp){
        .fd = -1,
        .family = sw_address_family(server ? &config->local : &config->remote),
        .local = config->local,
        .remote = config->remote,
        .sys = sys,
        .slots = config->gro ? SW_UDP_RUN_SLOTS : config->slots,
    };
    udp->ring = sw_udp_ring_new(config->gro);
    if (udp->ring == NULL) {
        errno = ENOMEM;
        return fail(udp, why, why_size, "memory");
    }
    udp->fd = socket(udp->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (udp->fd < 0) return fail(udp, why, why_size, "socket");

    bool quiet = config->place == SW_REUSEPORT_NEXT; /* the first one has said it */
    set_buffer(udp->fd, config->send_buffer, SO_SNDBUFFORCE, SO_SNDBUF, "send", "net.core.wmem_max",
               quiet);
    set_buffer(udp->fd, config->receive_buffer, SO_RCVBUFFORCE, SO_RCVBUF, "receive",
               "net.core.rmem_max", quiet);
    if (config->mark != 0 && set_int(udp->fd, SOL_SOCKET, SO_MARK, (int)config->mark) < 0) {
        if (server) return fail(udp, why, why_size, "SO_MARK");
        sw_log_warn("the UDP socket is not marked: %s", strerror(errno));
    }
    if (config->gro) udp->gro = set_int(udp->fd, IPPROTO_UDP, UDP_GRO, 1) == 0;
    if (config->never_df && set_never_df(udp->fd, udp->family) < 0) {
        if (server) return fail(udp, why, why_size, "IP_MTU_DISCOVER");
        sw_log_warn("the UDP socket keeps setting DF: %s", strerror(errno));
    }
    note_discover(udp);
    if (server) {
        int error = bind_local(udp, config->place, why, why_size);
        if (error < 0) return error;
    }
    return config->remote.family != 0 ? connect_remote(udp, why, why_size) : 0;
}

static bool local_address(int fd, struct sw_address *out)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0) return false;
    sw_address_from_sockaddr(out, (struct sockaddr *)&address);
    return true;
}

/* Where a new socket would send from: the kernel decides when it is connected. */
static bool source_now(const struct sw_udp *udp, struct sw_address *out)
{
    struct sockaddr_storage peer;
    socklen_t len = sw_address_to_sockaddr(&udp->remote, udp->family, &peer);
    int mark = 0;
    socklen_t mark_len = sizeof mark;
    int fd = socket(udp->family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
    if (fd < 0) return false;
    if (getsockopt(udp->fd, SOL_SOCKET, SO_MARK, &mark, &mark_len) == 0 && mark != 0)
        set_int(fd, SOL_SOCKET, SO_MARK, mark);
    bool found = connect(fd, (struct sockaddr *)&peer, len) == 0 && local_address(fd, out);
    close(fd);
    return found;
}

bool sw_udp_follow_route(struct sw_udp *udp, const struct sw_address *inside,
                         struct sw_address *local)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct sw_address now, used;
    struct sockaddr_storage peer;
    if (udp->remote.family == 0 || !source_now(udp, &now)) return false;
    if (inside != NULL && sw_address_same_host(&now, inside)) return false;
    if (udp->connected && local_address(udp->fd, &used) && sw_address_same_host(&used, &now))
        return false;
    /* Only without a peer does the kernel let go of the address and the port it chose. */
    if (connect(udp->fd, &nobody, sizeof nobody) < 0) return false;
    socklen_t len = sw_address_to_sockaddr(&udp->remote, udp->family, &peer);
    udp->connected = connect(udp->fd, (struct sockaddr *)&peer, len) == 0;
    return udp->connected && local_address(udp->fd, local);
}

void sw_udp_close(struct sw_udp *udp)
{
    if (udp->fd >= 0) close(udp->fd);
    udp->fd = -1;
    sw_udp_ring_free(udp->ring);
    udp->ring = NULL;
}
