/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_REUSEPORT_H
#define SW_HOST_REUSEPORT_H

/*
 * Several sockets on one address, one per worker, and which of them a datagram goes to.
 */

#include "host/sys.h"

/** The place of a socket among those that share its address. */
enum sw_reuseport {
    SW_REUSEPORT_ALONE, /**< the only one */
    SW_REUSEPORT_FIRST, /**< fails where anybody else has the address, as one alone would */
    SW_REUSEPORT_NEXT,  /**< joins those of this user that are there */
};

/** Before and after bind(2), and for TCP before listen(2). 0, or -1 and errno. */
int sw_reuseport_before_bind(int fd, enum sw_reuseport place, const struct sw_sys *sys);
int sw_reuseport_after_bind(int fd, enum sw_reuseport place, const struct sw_sys *sys);

/**
 * From now on a datagram goes to the socket of the worker that has its session; sockets count in
 * the order they were bound. One of them is enough to say so for all. Datagrams without a session
 * id (and those with the REJECTED one) go by their addresses and ports: the same client to the same
 * socket, always. 0, or -1 and errno.
 */
int sw_reuseport_steer(int fd, unsigned workers, const struct sw_sys *sys);

#endif
