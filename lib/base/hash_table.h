/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_BASE_HASH_TABLE_H
#define SW_BASE_HASH_TABLE_H

/*
 * A hash table whose nodes live inside the things it finds, and the keyed hash to use with it when
 * keys come from strangers (addresses, session ids): without the seed nobody can choose keys that
 * collide. The table owns its bucket array and nothing else.
 *
 *     struct peer { struct sw_address address; struct sw_hash_node node; };
 *
 *     uint64_t hash = sw_hash_bytes(&seed, key, key_len);
 *     struct sw_hash_node *node = sw_hash_table_find(&table, hash, key);
 *     struct peer *peer = node ? SW_CONTAINER_OF(node, struct peer, node) : NULL;
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/list.h"

/** Secret of a hash: 16 random bytes, drawn by the caller once. */
struct sw_hash_seed {
    uint64_t words[2];
};

/** SipHash-1-3 of len bytes at data under the seed. Bytes, not structs with padding. */
uint64_t sw_hash_bytes(const struct sw_hash_seed *seed, const void *data, size_t len);

/** A place in a table. In at most one table at a time, and not moved in memory while there. */
struct sw_hash_node {
    struct sw_hash_node *next; /**< in the same bucket */
    uint64_t hash;
};

/**
 * Whether node is the one that has this key; asked only when the whole 64-bit hash is equal.
 * SW_CONTAINER_OF_CONST() leads from the node to the thing.
 */
typedef bool (*sw_hash_equal)(const struct sw_hash_node *node, const void *key);

struct sw_hash_table {
    struct sw_hash_node **buckets; /**< NULL until the first insertion */
    size_t size;                   /**< buckets: 0 or a power of two */
    size_t count;                  /**< nodes */
    sw_hash_equal equal;
};

/** An empty table. Allocates nothing. */
void sw_hash_table_init(struct sw_hash_table *table, sw_hash_equal equal);

/** Frees the buckets; the nodes are forgotten, not touched. The table is then empty and usable. */
void sw_hash_table_release(struct sw_hash_table *table);

/** The node with this key, or NULL. */
struct sw_hash_node *sw_hash_table_find(const struct sw_hash_table *table, uint64_t hash,
                                        const void *key);

/**
 * Adds node, which is in no table and whose key the table does not hold yet. The table grows when
 * it has as many nodes as buckets; SW_ENOMEM if that failed, and the table is then as it was.
 */
int sw_hash_table_insert(struct sw_hash_table *table, uint64_t hash, struct sw_hash_node *node);

/** Takes node, which must be in this table, out of it. Frees nothing, so it cannot fail. */
void sw_hash_table_remove(struct sw_hash_table *table, struct sw_hash_node *node);

/**
 * All nodes in no particular order: first, then next until NULL. Insertion in between ends the
 * walk's meaning; removal is fine once the next node has been fetched.
 */
struct sw_hash_node *sw_hash_table_first(const struct sw_hash_table *table);
struct sw_hash_node *sw_hash_table_next(const struct sw_hash_table *table,
                                        const struct sw_hash_node *node);

#endif
