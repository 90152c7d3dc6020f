/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Three hash tables with nodes inside the connections. Addresses come from strangers, hence the
 * keyed hash. A connection's node is in a table exactly while its flag (address, session) or its
 * rotation id says so.
 *
 * Where several workers share a server's address, the last byte of a session id says whose it is:
 * the kernel can pick the socket by it, and what comes to the wrong one can be handed on.
 */

#include "lib/engine/conn_table.h"

#include <string.h>

#include "lib/engine/engine.h"

/* Who has an IPv6 address has a whole network of them. */
#define IPV4_LEN     4
#define IPV6_NETWORK 8

void sw_address_key(const struct sw_address *address, uint8_t out[SW_ADDRESS_KEY_LEN])
{
    out[0] = address->family;
    sw_put_be16(out + 1, address->port);
    memcpy(out + 3, address->ip, 16);
    sw_put_be32(out + 19, address->scope);
}

bool sw_address_equal(const struct sw_address *a, const struct sw_address *b)
{
    return a->family == b->family && a->port == b->port && a->scope == b->scope &&
           memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

uint64_t sw_address_host_hash(const struct sw_engine *engine, const struct sw_address *address)
{
    size_t len = address->family == 6 ? IPV6_NETWORK : IPV4_LEN;
    return sw_hash_bytes(&engine->seed, address->ip, len);
}

static bool address_matches(const struct sw_hash_node *node, const void *key)
{
    return sw_address_equal(&SW_CONTAINER_OF_CONST(node, struct sw_conn, by_address)->path.remote,
                            key);
}

static bool session_matches(const struct sw_hash_node *node, const void *key)
{
    const struct sw_session_id *id = key;
    return sw_session_equal(SW_CONTAINER_OF_CONST(node, struct sw_conn, by_session)->session, *id);
}

static bool rotation_matches(const struct sw_hash_node *node, const void *key)
{
    const struct sw_session_id *id = key;
    return sw_session_equal(SW_CONTAINER_OF_CONST(node, struct sw_conn, by_rotation)->rotation,
                            *id);
}

void sw_conn_table_init(struct sw_engine *engine)
{
    engine->config.callbacks->random(engine->config.user, (uint8_t *)&engine->seed,
                                     sizeof engine->seed);
    sw_hash_table_init(&engine->by_address, address_matches);
    sw_hash_table_init(&engine->by_session, session_matches);
    sw_hash_table_init(&engine->by_rotation, rotation_matches);
}

void sw_conn_table_release(struct sw_engine *engine)
{
    sw_hash_table_release(&engine->by_address);
    sw_hash_table_release(&engine->by_session);
    sw_hash_table_release(&engine->by_rotation);
}

static uint64_t address_hash(const struct sw_engine *engine, const struct sw_address *address)
{
    uint8_t key[SW_ADDRESS_KEY_LEN];

    sw_address_key(address, key);
    return sw_hash_bytes(&engine->seed, key, sizeof key);
}

static uint64_t id_hash(const struct sw_engine *engine, struct sw_session_id id)
{
    return sw_hash_bytes(&engine->seed, id.bytes, sizeof id.bytes);
}

/* Datagrams come in runs of one peer: most look-ups are for the connection found last. */
struct sw_conn *sw_conn_by_address(struct sw_engine *engine, const struct sw_address *address)
{
    struct sw_conn *recent = engine->recent;

    if (recent != NULL && sw_address_equal(&recent->path.remote, address)) return recent;
    struct sw_hash_node *node =
        sw_hash_table_find(&engine->by_address, address_hash(engine, address), address);
    if (node == NULL) return NULL;
    engine->recent = SW_CONTAINER_OF(node, struct sw_conn, by_address);
    return engine->recent;
}

struct sw_conn *sw_conn_by_session(const struct sw_engine *engine, struct sw_session_id id)
{
    struct sw_hash_node *node = sw_hash_table_find(&engine->by_session, id_hash(engine, id), &id);
    return node != NULL ? SW_CONTAINER_OF(node, struct sw_conn, by_session) : NULL;
}

struct sw_conn *sw_conn_by_rotation(const struct sw_engine *engine, struct sw_session_id id)
{
    struct sw_hash_node *node = sw_hash_table_find(&engine->by_rotation, id_hash(engine, id), &id);
    return node != NULL ? SW_CONTAINER_OF(node, struct sw_conn, by_rotation) : NULL;
}

unsigned sw_conn_table_owner(const struct sw_engine *engine, struct sw_session_id id)
{
    return id.bytes[sizeof id.bytes - 1] % engine->config.workers;
}

static struct sw_session_id draw_id(struct sw_engine *engine)
{
    struct sw_session_id id;

    do {
        engine->config.callbacks->random(engine->config.user, id.bytes, sizeof id.bytes);
    } while (sw_conn_table_owner(engine, id) != engine->config.worker ||
             sw_session_is_reserved(id) || sw_conn_by_session(engine, id) != NULL ||
             sw_conn_by_rotation(engine, id) != NULL);
    return id;
}

int sw_conn_table_new_session(struct sw_engine *engine, struct sw_conn *conn)
{
    conn->session = draw_id(engine);
    if (conn->transport == SW_STREAM) return 0; /* told to the client, but never looked up */
    int r = sw_hash_table_insert(&engine->by_session, id_hash(engine, conn->session),
                                 &conn->by_session);
    conn->in_session_table = r == 0;
    return r;
}

int sw_conn_table_claim_address(struct sw_engine *engine, struct sw_conn *conn)
{
    int r = sw_hash_table_insert(&engine->by_address, address_hash(engine, &conn->path.remote),
                                 &conn->by_address);
    conn->in_address_table = r == 0;
    return r;
}

static void leave_address(struct sw_engine *engine, struct sw_conn *conn)
{
    if (conn->in_address_table) sw_hash_table_remove(&engine->by_address, &conn->by_address);
    conn->in_address_table = false;
    if (engine->recent == conn) engine->recent = NULL;
}

static void leave_session(struct sw_engine *engine, struct sw_conn *conn)
{
    if (conn->in_session_table) sw_hash_table_remove(&engine->by_session, &conn->by_session);
    conn->in_session_table = false;
}

static void leave_rotation(struct sw_engine *engine, struct sw_conn *conn)
{
    if (!sw_session_equal(conn->rotation, SW_SESSION_EMPTY))
        sw_hash_table_remove(&engine->by_rotation, &conn->by_rotation);
    conn->rotation = SW_SESSION_EMPTY;
}

void sw_conn_table_move(struct sw_engine *engine, struct sw_conn *conn, const struct sw_path *path)
{
    leave_address(engine, conn);
    conn->path = *path;
    /* One left, so one fits: the table does not have to grow. */
    sw_conn_table_claim_address(engine, conn);
}

int sw_conn_table_begin_rotation(struct sw_engine *engine, struct sw_conn *conn)
{
    struct sw_session_id id = draw_id(engine);
    int r = sw_hash_table_insert(&engine->by_rotation, id_hash(engine, id), &conn->by_rotation);

    if (r == 0) conn->rotation = id;
    return r;
}

void sw_conn_table_finish_rotation(struct sw_engine *engine, struct sw_conn *conn)
{
    struct sw_session_id id = conn->rotation;

    leave_rotation(engine, conn);
    leave_session(engine, conn);
    conn->session = id;
    sw_hash_table_insert(&engine->by_session, id_hash(engine, id), &conn->by_session);
    conn->in_session_table = true;
}

void sw_conn_table_remove(struct sw_engine *engine, struct sw_conn *conn)
{
    leave_address(engine, conn);
    leave_session(engine, conn);
    leave_rotation(engine, conn);
}
