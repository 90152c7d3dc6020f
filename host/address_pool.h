/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_ADDRESS_POOL_H
#define SW_HOST_ADDRESS_POOL_H

/*
 * The inside addresses of a server, and who has which. All addresses are in host byte order.
 */

#include <slipway/types.h>

struct sw_address_pool;

/**
 * A pool of the host addresses of network/prefix (network and broadcast address are not among
 * them), without the n reserved ones; reserved addresses outside the pool are fine. random gives a
 * number below its argument and decides the order in which addresses are handed out. On failure
 * NULL and one sentence in why: prefix not within 8..30, nothing left, no memory.
 */
struct sw_address_pool *sw_address_pool_new(uint32_t network, unsigned prefix,
                                            const uint32_t *reserved, size_t n,
                                            uint32_t (*random)(uint32_t limit), char *why,
                                            size_t why_size);
void sw_address_pool_free(struct sw_address_pool *pool);

/**
 * Hands out the address that has been free for longest and notes its owner, which is not NULL. 0,
 * or SW_ENOADDRESS. Any thread may call it.
 */
int sw_address_pool_take(struct sw_address_pool *pool, void *owner, uint32_t *ip);

/** Gives an address back. SW_EINVAL if it was not taken: a mistake of the caller, no harm done. */
int sw_address_pool_give(struct sw_address_pool *pool, uint32_t ip);

/** Addresses taken now, and addresses there are. */
size_t sw_address_pool_used(struct sw_address_pool *pool);
size_t sw_address_pool_size(const struct sw_address_pool *pool);

/** The owner of an inside address, or NULL. One subtraction, one comparison, one load. */
void *sw_address_pool_owner(const struct sw_address_pool *pool, uint32_t ip);

#endif
