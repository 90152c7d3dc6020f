/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_TUN_STEERING_H
#define SW_HOST_TUN_STEERING_H

/*
 * Which queue of a TUN device a packet goes to: that of the worker which has its destination, by a
 * table that the kernel and this process share.
 */

#include <stddef.h>
#include <stdint.h>

#include "host/tun.h"

struct sw_tun_steering {
    uint8_t *table; /**< by distance from the network address: the worker. NULL: not in use */
    /* private */
    size_t size;
    int map, program;
};

/**
 * Makes the table for count addresses from network on (host byte order) and has the kernel choose
 * the queue by it; queues count in the order they were opened. 0, or -1: steering->table is NULL,
 * and why holds one phrase.
 */
int sw_tun_steering_start(struct sw_tun_steering *steering, const struct sw_tun *tun,
                          uint32_t network, uint32_t count, const struct sw_sys *sys, char *why,
                          size_t why_size);

/** The kernel chooses for itself again. Before the device's queues are closed. */
void sw_tun_steering_stop(struct sw_tun_steering *steering, const struct sw_tun *tun,
                          const struct sw_sys *sys);

/** Frees the table. A struct that is all zero is fine, and so is one that was started in vain. */
void sw_tun_steering_close(struct sw_tun_steering *steering);

#endif
