/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_ADDRESS_POOL_H
#define SW_HOST_ADDRESS_POOL_H

/*
 * The inside addresses of a server, and who has which. All addresses are in host byte order.
 */

#include "host/address_map.h"

#define SW_ADDRESS_POOL_PREFIX_MIN 8  /**< 16 million addresses */
#define SW_ADDRESS_POOL_PREFIX_MAX 30 /**< two addresses */

#define SW_NOBODY UINT8_MAX /**< in place of a worker: the address is free, or not of the pool */

struct sw_address_pool;

struct sw_address_pool_config {
    uint32_t network; /**< host bits do not matter */
    unsigned prefix;
    const uint32_t *reserved; /**< never handed out; those outside the pool are fine */
    size_t n_reserved;
    const struct sw_address_map *map;   /**< must outlive the pool; NULL: one part, for all */
    uint32_t (*random)(uint32_t limit); /**< below limit; decides the order in which addresses are
                                           handed out. NULL: ascending */
};

/**
 * A pool of the host addresses of network/prefix: network and broadcast address are not among them,
 * those of a part of the map are if the pool's are others. On failure NULL and one sentence in why:
 * prefix outside its limits, nothing left of the pool or of a part, no memory.
 */
struct sw_address_pool *sw_address_pool_new(const struct sw_address_pool_config *config, char *why,
                                            size_t why_size);
void sw_address_pool_free(struct sw_address_pool *pool);

/** The pool's network address, and how many addresses the network has, usable or not. */
uint32_t sw_address_pool_network(const struct sw_address_pool *pool);
uint32_t sw_address_pool_span(const struct sw_address_pool *pool);

/**
 * Whose each address is, one byte per address of the network, moves to table, which others may read
 * while the pool writes it, and which must outlive the pool. Before the first address is taken.
 */
void sw_address_pool_publish(struct sw_address_pool *pool, uint8_t *table);

/**
 * Hands out the address that has been free for longest, of the part for clients that came to
 * incoming, to a worker (below SW_NOBODY). 0, or SW_ENOADDRESS: a part does not borrow from
 * another. Any thread may call it.
 */
int sw_address_pool_take(struct sw_address_pool *pool, const struct sw_address *incoming,
                         unsigned worker, uint32_t *ip);

/** Gives an address back. SW_EINVAL if it was not taken: a mistake of the caller, no harm done. */
int sw_address_pool_give(struct sw_address_pool *pool, uint32_t ip);

/** Addresses taken now, and addresses there are. */
size_t sw_address_pool_used(struct sw_address_pool *pool);
size_t sw_address_pool_size(const struct sw_address_pool *pool);

/** Addresses that a part has, 0 being the rest. */
size_t sw_address_pool_part_size(const struct sw_address_pool *pool, unsigned part);

/**
 * The worker that has an inside address, or SW_NOBODY. Any thread may call it: one subtraction, one
 * comparison, one load.
 */
unsigned sw_address_pool_owner(const struct sw_address_pool *pool, uint32_t ip);

#endif
