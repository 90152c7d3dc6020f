/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A queue of free addresses for each part of the pool and an array of owners, both by the distance
 * from the network address.
 *
 * A queue is shuffled once, if wanted, and then first in, first out: an address rests as long as
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

/* A ring of free addresses. */
struct queue {
    uint32_t *ring; /* inside the pool's memory for all of them */
    uint32_t capacity, head, free;
};

struct sw_address_pool {
    uint32_t network;
    uint32_t count;          /* addresses of the network, all of them */
    _Atomic uint8_t *owners; /* by distance from network */
    _Atomic uint8_t *own;    /* the same while it has not been published elsewhere */
    pthread_mutex_t lock;

    const struct sw_address_map *map;
    uint32_t *distances;  /* from network: the memory of all queues */
    uint32_t size;        /* how many */
    struct queue *queues; /* by part */
    unsigned n_queues;
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

/* Appends the usable addresses from first to last to a queue. */
static void fill(struct sw_address_pool *pool, const struct sw_address_pool_config *config,
                 struct queue *queue, uint32_t first, uint32_t last)
{
    uint32_t lowest = pool->network + 1, highest = pool->network + (pool->count - 2);
    if (first < lowest) first = lowest;
    if (last > highest) last = highest;
    for (uint32_t ip = first; ip <= last; ip++) {
        if (is_reserved(ip, config->reserved, config->n_reserved)) continue;
        queue->ring[queue->capacity++] = ip - pool->network;
        pool->size++;
    }
}

/* First what the map's parts leave of the pool, then the parts, each behind the one before. */
static void fill_all(struct sw_address_pool *pool, const struct sw_address_pool_config *config)
{
    uint32_t from = pool->network, first, last;
    pool->queues[0].ring = pool->distances;
    for (unsigned part = 1; part < pool->n_queues; part++) {
        sw_address_map_range(pool->map, part, &first, &last);
        if (first > from) fill(pool, config, &pool->queues[0], from, first - 1);
        from = last + 1;
    }
    last = pool->network + (pool->count - 1);
    if (pool->n_queues == 1 || from - 1 != last) fill(pool, config, &pool->queues[0], from, last);
    for (unsigned part = 1; part < pool->n_queues; part++) {
        pool->queues[part].ring = pool->distances + pool->size;
        sw_address_map_range(pool->map, part, &first, &last);
        fill(pool, config, &pool->queues[part], first, last);
    }
    for (unsigned part = 0; part < pool->n_queues; part++) {
        struct queue *queue = &pool->queues[part];
        queue->free = queue->capacity;
        if (config->random != NULL) shuffle(queue->ring, queue->capacity, config->random);
    }
}

/* False: a part has nothing to give, which cannot be meant. */
static bool has_addresses(const struct sw_address_pool *pool, unsigned prefix, char *why,
                          size_t why_size)
{
    char text[SW_ADDRESS_TEXT];
    uint32_t first, last;
    if (pool->size == 0) {
        snprintf(why, why_size, "address pool %s/%u: every address of it is reserved",
                 sw_ipv4_text(pool->network, text), prefix);
        return false;
    }
    for (unsigned part = 1; part < pool->n_queues; part++) {
        if (pool->queues[part].capacity > 0) continue;
        sw_address_map_range(pool->map, part, &first, &last);
        snprintf(why, why_size, "ip_map: the network of %s has no address that is not reserved",
                 sw_ipv4_text(first, text));
        return false;
    }
    return true;
}

struct sw_address_pool *sw_address_pool_new(const struct sw_address_pool_config *config, char *why,
                                            size_t why_size)
{
    char text[SW_ADDRESS_TEXT];
    unsigned prefix = config->prefix;
    if (prefix < SW_ADDRESS_POOL_PREFIX_MIN || prefix > SW_ADDRESS_POOL_PREFIX_MAX) {
        snprintf(why, why_size, "address pool %s/%u: the prefix must be between /%u and /%u",
                 sw_ipv4_text(config->network, text), prefix, SW_ADDRESS_POOL_PREFIX_MIN,
                 SW_ADDRESS_POOL_PREFIX_MAX);
        return NULL;
    }
    struct sw_address_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) goto no_memory;
    pthread_mutex_init(&pool->lock, NULL);
    pool->count = UINT32_C(1) << (32 - prefix);
    pool->network = config->network & ~(pool->count - 1);
    pool->map = config->map;
    pool->n_queues = 1 + sw_address_map_parts(pool->map);
    pool->owners = pool->own = malloc(pool->count);
    pool->distances = malloc(pool->count * sizeof *pool->distances);
    pool->queues = calloc(pool->n_queues, sizeof *pool->queues);
    if (pool->owners == NULL || pool->distances == NULL || pool->queues == NULL) goto no_memory;
    memset((void *)pool->own, SW_NOBODY, pool->count);
    fill_all(pool, config);
    if (has_addresses(pool, prefix, why, why_size)) return pool;
    sw_address_pool_free(pool);
    return NULL;

no_memory:
    snprintf(why, why_size, "address pool %s/%u: out of memory",
             sw_ipv4_text(config->network, text), prefix);
    sw_address_pool_free(pool);
    return NULL;
}

void sw_address_pool_free(struct sw_address_pool *pool)
{
    if (pool == NULL) return;
    pthread_mutex_destroy(&pool->lock);
    free(pool->queues);
    free(pool->distances);
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

int sw_address_pool_take(struct sw_address_pool *pool, const struct sw_address *incoming,
                         unsigned worker, uint32_t *ip)
{
    struct queue *queue = &pool->queues[sw_address_map_part(pool->map, incoming)];
    int error = SW_ENOADDRESS;
    pthread_mutex_lock(&pool->lock);
    if (queue->free > 0) {
        uint32_t index = queue->ring[queue->head];
        queue->head = (queue->head + 1) % queue->capacity;
        queue->free--;
        atomic_store_explicit(&pool->owners[index], (uint8_t)worker, memory_order_relaxed);
        *ip = pool->network + index;
        error = 0;
    }
    pthread_mutex_unlock(&pool->lock);
    return error;
}

int sw_address_pool_give(struct sw_address_pool *pool, uint32_t ip)
{
    struct queue *queue = &pool->queues[sw_address_map_part_of(pool->map, ip)];
    uint32_t index = ip - pool->network;
    int error = SW_EINVAL;
    pthread_mutex_lock(&pool->lock);
    if (sw_address_pool_owner(pool, ip) != SW_NOBODY) {
        atomic_store_explicit(&pool->owners[index], SW_NOBODY, memory_order_relaxed);
        queue->ring[(queue->head + queue->free) % queue->capacity] = index;
        queue->free++;
        error = 0;
    }
    pthread_mutex_unlock(&pool->lock);
    return error;
}

size_t sw_address_pool_used(struct sw_address_pool *pool)
{
    size_t used = pool->size;
    pthread_mutex_lock(&pool->lock);
    for (unsigned part = 0; part < pool->n_queues; part++)
        used -= pool->queues[part].free;
    pthread_mutex_unlock(&pool->lock);
    return used;
}

size_t sw_address_pool_size(const struct sw_address_pool *pool)
{
    return pool->size;
}

size_t sw_address_pool_part_size(const struct sw_address_pool *pool, unsigned part)
{
    return pool->queues[part].capacity;
}

unsigned sw_address_pool_owner(const struct sw_address_pool *pool, uint32_t ip)
{
    uint32_t index = ip - pool->network;
    if (index >= pool->count) return SW_NOBODY;
    return atomic_load_explicit(&pool->owners[index], memory_order_relaxed);
}
