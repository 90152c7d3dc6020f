/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A queue of free addresses and an array of owners, both indexed by the distance from the network
 * address.
 *
 * The queue is shuffled once and then first in, first out: an address rests as long as possible
 * before somebody else gets it, so that late packets to its last owner find nobody. The owner array
 * is what the data path reads. Taking and giving are rare (login and logout) and locked; the array
 * of pointers is read without the lock by the one worker that owns the connections in it.
 */

#include "host/address_pool.h"

#include <pthread.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/address.h"

#define PREFIX_MIN 8  /* 16 million addresses */
#define PREFIX_MAX 30 /* two addresses */

struct sw_address_pool {
    uint32_t network;
    uint32_t count; /* addresses of the network, all of them */
    void **owners;  /* by distance from network */
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
    if (prefix < PREFIX_MIN || prefix > PREFIX_MAX) {
        snprintf(why, why_size, "address pool %s/%u: the prefix must be between /%u and /%u",
                 sw_ipv4_text(network, text), prefix, PREFIX_MIN, PREFIX_MAX);
        return NULL;
    }
    struct sw_address_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) goto no_memory;
    pthread_mutex_init(&pool->lock, NULL);
    pool->count = UINT32_C(1) << (32 - prefix);
    pool->network = network & ~(pool->count - 1);
    pool->owners = calloc(pool->count, sizeof(void *));
    pool->ring = malloc(pool->count * sizeof *pool->ring);
    if (pool->owners == NULL || pool->ring == NULL) goto no_memory;

    for (uint32_t i = 1; i < pool->count - 1; i++)
        if (!is_reserved(pool->network + i, reserved, n)) pool->ring[pool->capacity++] = i;
    if (pool->capacity == 0) {
        snprintf(why, why_size, "address pool %s/%u: every address of it is reserved",
                 sw_ipv4_text(network, text), prefix);
        sw_address_pool_free(pool);
        return NULL;
    }
    pool->free = pool->capacity;
    shuffle(pool->ring, pool->capacity, random);
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
    free(pool->owners);
    free(pool);
}

int sw_address_pool_take(struct sw_address_pool *pool, void *owner, uint32_t *ip)
{
    int error = SW_ENOADDRESS;
    pthread_mutex_lock(&pool->lock);
    if (pool->free > 0) {
        uint32_t index = pool->ring[pool->head];
        pool->head = (pool->head + 1) % pool->capacity;
        pool->free--;
        pool->owners[index] = owner;
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
    if (index < pool->count && pool->owners[index] != NULL) {
        pool->owners[index] = NULL;
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

void *sw_address_pool_owner(const struct sw_address_pool *pool, uint32_t ip)
{
    uint32_t index = ip - pool->network;
    return index < pool->count ? pool->owners[index] : NULL;
}
