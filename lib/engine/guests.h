/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_GUESTS_H
#define SW_ENGINE_GUESTS_H

/*
 * Clients whose datagrams without a session id arrive here while another worker has their
 * connection: where a less busy one was chosen for it (docs/architecture.md §2). Bounded; only
 * addresses that a cookie has proved are in it.
 */

#include <slipway/types.h>

struct sw_guests;

/** NULL: out of memory. */
struct sw_guests *sw_guests_new(void);
void sw_guests_free(struct sw_guests *guests);

/** hash: of the client's address, keyed, so that nobody can choose it. */
void sw_guests_put(struct sw_guests *guests, uint64_t hash, unsigned worker, sw_time now);

/** The worker to hand its datagram to, or -1. */
int sw_guests_find(struct sw_guests *guests, uint64_t hash, sw_time now);

#endif
