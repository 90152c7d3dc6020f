/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A queue of free addresses and an array of owners, both indexed by the distance from the network
 * address.
 *
 * The queue is shuffled once, if wanted, and then first in, first out: an address rests as long as
 * possible before somebody else gets it, so that late packets to its last owner find nobody. Taking
 * and giving are rare (login and logout) and locked. The array says which worker an address belongs
 * to and is read by all of them, and by the kernel's steering program, without the lock.
 */

#include "host/address_pool.h"

#include <pthread.h>
#include <slipway/error.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/address.h"

struct sw_address_pool {
    uint32_t network;
    uint32_t count;          /* addresses of the network, all of them */
    _Atomic uint8_t *owners; /* by distance from network */
    _Atomic uint8_t *own;    /* the same while it has not been published elsewhere */
    pthread_mutex_t lock;

    /* Ring of free addresses as distances from network. */
    uint32_t *ring;
    uint32_t capacity, head, free;
};

static bool is_reserved(uint32_t ip, const uint32_t *reserved, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (reserved[i] == ip) return true;
    return false;
}

static void shuffle(uint32_t *items, uint32_t n, uint32_t (*random)(uint32_t limit))
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = random(i);
        uint32_t swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}

struct sw_address_pool *sw_address_pool_new(uint32_t network, unsigned prefix,
                                            const uint32_t *reserved, size_t n,
                                            uint32_t (*random)(uint32_t limit), char *why,
                                            size_t why_size)
{
    char text[SW_ADDRESS_TEXT];
    if (prefix < SW_ADDRESS_POOL_PREFIX_MIN || prefix > SW_ADDRESS_POOL_PREFIX_MAX) {
        snprintf(why, why_size, "address pool %s/%u: the prefix must be between /%u and /%u",
                 sw_ipv4_text(network, text), prefix, SW_ADDRESS_POOL_PREFIX_MIN,
                 SW_ADDRESS_POOL_PREFIX_MAX);
        return NULL;
    }
    struct sw_address_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) goto no_memory;
    pthread_mutex_init(&pool->lock, NULL);
    pool->count = UINT32_C(1) << (32 - prefix);
    pool->network = network & ~(pool->count - 1);
    pool->owners = pool->own = malloc(pool->count);
    pool->ring = malloc(pool->count * sizeof *pool->ring);
    if (pool->owners == NULL || pool->ring == NULL) goto no_memory;
    memset((void *)pool->own, SW_NOBODY, pool->count);

    for (uint32_t i = 1; i < pool->count - 1; i++)
        if (!is_reserved(pool->network + i, reserved, n)) pool->ring[pool->capacity++] = i;
    if (pool->capacity == 0) {
        snprintf(why, why_size, "address pool %s/%u: every address of it is reserved",
                 sw_ipv4_text(network, text), prefix);
        sw_address_pool_free(pool);
        return NULL;
    }
    pool->free = pool->capacity;
    if (random != NULL) shuffle(pool->ring, pool->capacity, random);
    return pool;

no_memory:
    snprintf(why, why_size, "address pool %s/%u: out of memory", sw_ipv4_text(network, text),
             prefix);
    sw_address_pool_free(pool);
    return NULL;
}

void sw_address_pool_free(struct sw_address_pool *pool)
{
    if (pool == NULL) return;
    pthread_mutex_destroy(&pool->lock);
    free(pool->ring);
    free((void *)pool->own);
    free(pool);
}

uint32_t sw_address_pool_network(const struct sw_address_pool *pool)
{
    return pool->network;
}

uint32_t sw_address_pool_span(const struct sw_address_pool *pool)
{
    return pool->count;
}

void sw_address_pool_publish(struct sw_address_pool *pool, uint8_t *table)
{
    memset(table, SW_NOBODY, pool->count);
    pool->owners = (_Atomic uint8_t *)table;
    free((void *)pool->own);
    pool->own = NULL;
}

int sw_address_pool_take(struct sw_address_pool *pool, unsigned worker, uint32_t *ip)
{
    int error = SW_ENOADDRESS;
    pthread_mutex_lock(&pool->lock);
    if (pool->free > 0) {
        uint32_t index = pool->ring[pool->head];
        pool->head = (pool->head + 1) % pool->capacity;
        pool->free--;
        atomic_store_explicit(&pool->owners[index], (uint8_t)worker, memory_order_relaxed);
        *ip = pool->network + index;
        error = 0;
    }
    pthread_mutex_unlock(&pool->lock);
    return error;
}

int sw_address_pool_give(struct sw_address_pool *pool, uint32_t ip)
{
    uint32_t index = ip - pool->network;
    int error = SW_EINVAL;
    pthread_mutex_lock(&pool->lock);
    if (sw_address_pool_owner(pool, ip) != SW_NOBODY) {
        atomic_store_explicit(&pool->owners[index], SW_NOBODY, memory_order_relaxed);
        pool->ring[(pool->head + pool->free) % pool->capacity] = index;
        pool->free++;
        error = 0;
    }
    pthread_mutex_unlock(&pool->lock);
    return error;
}

size_t sw_address_pool_used(struct sw_address_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    size_t used = pool->capacity - pool->free;
    pthread_mutex_unlock(&pool->lock);
    return used;
}

size_t sw_address_pool_size(const struct sw_address_pool *pool)
{
    return pool->capacity;
}

unsigned sw_address_pool_owner(const struct sw_address_pool *pool, uint32_t ip)
{
    uint32_t index = ip - pool->network;
    if (index >= pool->count) return SW_NOBODY;
    return atomic_load_explicit(&pool->owners[index], memory_order_relaxed);
}
