/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_CONN_TABLE_H
#define SW_ENGINE_CONN_TABLE_H

/*
 * A server's datagram connections by peer address, by session id and by the id of a pending
 * rotation (docs/protocol/session.md §9.1). A connection that waits to replace another is in the id
 * table only.
 */

#include "lib/engine/conn.h"

void sw_conn_table_init(struct sw_engine *engine);
void sw_conn_table_release(struct sw_engine *engine);

struct sw_conn *sw_conn_by_address(struct sw_engine *engine, const struct sw_address *address);
struct sw_conn *sw_conn_by_session(const struct sw_engine *engine, struct sw_session_id id);
struct sw_conn *sw_conn_by_rotation(const struct sw_engine *engine, struct sw_session_id id);

/** The worker whose sessions have such ids. */
unsigned sw_conn_table_owner(const struct sw_engine *engine, struct sw_session_id id);

/** Draws an unused session id and enters it. 0 or SW_ENOMEM. */
int sw_conn_table_new_session(struct sw_engine *engine, struct sw_conn *conn);

/** Makes conn the one found by its path's remote address; the address must be free. 0 or SW_ENOMEM.
 */
int sw_conn_table_claim_address(struct sw_engine *engine, struct sw_conn *conn);

/** Moves conn to another path. */
void sw_conn_table_move(struct sw_engine *engine, struct sw_conn *conn, const struct sw_path *path);

/** Draws the id of a rotation and enters it. 0 or SW_ENOMEM. */
int sw_conn_table_begin_rotation(struct sw_engine *engine, struct sw_conn *conn);
/** The announced id becomes the current one. */
void sw_conn_table_finish_rotation(struct sw_engine *engine, struct sw_conn *conn);

/** Takes conn out of every table it is in. */
void sw_conn_table_remove(struct sw_engine *engine, struct sw_conn *conn);

#define SW_ADDRESS_KEY_LEN 23
/** Bytes that are equal for equal addresses only. */
void sw_address_key(const struct sw_address *address, uint8_t out[SW_ADDRESS_KEY_LEN]);
bool sw_address_equal(const struct sw_address *a, const struct sw_address *b);
/** Keyed hash of the IP address alone, without the port. */
uint64_t sw_address_host_hash(const struct sw_engine *engine, const struct sw_address *address);

#endif
