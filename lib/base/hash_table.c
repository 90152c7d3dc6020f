/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Chained buckets, a power of two of them, doubled when there are as many nodes as buckets. Every
 * node remembers its hash: growing never asks for keys again, and most wrong nodes of a chain are
 * skipped without looking at them.
 *
 * The hash is SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF") with one round
 * per word and three at the end, the variant general-purpose hash tables use: a table needs
 * unpredictable collisions, not a signature.
 *
 * Growing is the only allocation. It happens while a connection is being made, never for a packet,
 * and its failure leaves the table as it was.
 */

#include "lib/base/hash_table.h"

#include <assert.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64

static inline uint64_t rotate(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t sw_hash_bytes(const struct sw_hash_seed *seed, const void *data, size_t len)
{
    uint64_t v[4] = {
        seed->words[0] ^ 0x736f6d6570736575,
        seed->words[1] ^ 0x646f72616e646f6d,
        seed->words[0] ^ 0x6c7967656e657261,
        seed->words[1] ^ 0x7465646279746573,
    };
    const uint8_t *p = data;
    uint64_t word;
    for (size_t left = len; left >= sizeof word; left -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        sip_word(v, word);
    }

    word = (uint64_t)len << 56;
    for (size_t i = 0; i < len % sizeof word; i++) {
        word |= (uint64_t)p[i] << (8 * i);
    }
    sip_word(v, word);

    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct sw_hash_node **bucket_of(const struct sw_hash_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->size - 1)];
}

static void push(struct sw_hash_table *table, struct sw_hash_node *node)
{
    struct sw_hash_node **bucket = bucket_of(table, node->hash);
    node->next = *bucket;
    *bucket = node;
}

static int grow(struct sw_hash_table *table)
{
    struct sw_hash_table larger = *table;
    larger.size = table->size == 0 ? FIRST_SIZE : table->size * 2;
    larger.buckets = calloc(larger.size, sizeof *larger.buckets);
    if (larger.buckets == NULL) return SW_ENOMEM;

    struct sw_hash_node *next;
    for (struct sw_hash_node *node = sw_hash_table_first(table); node != NULL; node = next) {
        next = sw_hash_table_next(table, node);
        push(&larger, node);
    }
    free(table->buckets);
    *table = larger;
    return 0;
}

void sw_hash_table_init(struct sw_hash_table *table, sw_hash_equal equal)
{
    *table = (struct sw_hash_table){.equal = equal};
}

void sw_hash_table_release(struct sw_hash_table *table)
{
    free(table->buckets);
    sw_hash_table_init(table, table->equal);
}

struct sw_hash_node *sw_hash_table_find(const struct sw_hash_table *table, uint64_t hash,
                                        const void *key)
{
    if (table->size == 0) return NULL;
    struct sw_hash_node *node = *bucket_of(table, hash);
    while (node != NULL && (node->hash != hash || !table->equal(node, key))) {
        node = node->next;
    }
    return node;
}

int sw_hash_table_insert(struct sw_hash_table *table, uint64_t hash, struct sw_hash_node *node)
{
    if (table->count >= table->size && grow(table) < 0) return SW_ENOMEM;
    node->hash = hash;
    push(table, node);
    table->count++;
    return 0;
}

void sw_hash_table_remove(struct sw_hash_table *table, struct sw_hash_node *node)
{
    struct sw_hash_node **link = bucket_of(table, node->hash);
    while (*link != node) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    table->count--;
}

/** The first node of the buckets from index on. */
static struct sw_hash_node *first_from(const struct sw_hash_table *table, size_t index)
{
    for (; index < table->size; index++) {
        if (table->buckets[index] != NULL) return table->buckets[index];
    }
    return NULL;
}

struct sw_hash_node *sw_hash_table_first(const struct sw_hash_table *table)
{
    return first_from(table, 0);
}

struct sw_hash_node *sw_hash_table_next(const struct sw_hash_table *table,
                                        const struct sw_hash_node *node)
{
    if (node->next != NULL) return node->next;
    return first_from(table, (node->hash & (table->size - 1)) + 1);
}
