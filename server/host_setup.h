/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_SERVER_HOST_SETUP_H
#define SW_SERVER_HOST_SETUP_H

/*
 * What a host needs to carry traffic of clients on (option host_setup): the TUN device's address
 * and route, forwarding, and source NAT.
 */

#include "host/option_types.h"

struct sw_host_setup_plan {
    const char *tun; /**< name of the TUN device */
    unsigned tun_index;
    bool tun_is_new; /**< made, and set up, by this server */
    uint32_t tun_ip; /**< host byte order; 0: the device needs no address */
    struct sw_ipv4_net pool;
    const char *device; /**< towards the Internet; NULL: that of the default route */
};

struct sw_host_setup;

/**
 * Does what is missing, and replaces what a server with the same TUN device has left behind. 0; or
 * a negative SW_E… with one sentence in why, *setup then is NULL and nothing is changed. Waits for
 * the program nft.
 */
int sw_host_setup_start(const struct sw_host_setup_plan *plan, struct sw_host_setup **setup,
                        char *why, size_t why_size);

/** Undoes what was done, and frees. NULL is allowed. */
void sw_host_setup_stop(struct sw_host_setup *setup);

/**
 * For a server that sets nothing up: undoes what one with the same TUN device, or with one that is
 * gone, has left behind. Where nft is missing or may not be used there cannot be anything.
 */
void sw_host_setup_clean(const struct sw_host_setup_plan *plan);

#endif
