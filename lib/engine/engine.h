/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_ENGINE_H
#define SW_ENGINE_ENGINE_H

/* The engine, as the files of this room see it. */

#include "lib/engine/conn.h"
#include "lib/engine/guests.h"
#include "lib/engine/half_open.h"
#include "lib/engine/plugin.h"
#include "lib/engine/reject_limit.h"
#include "lib/tls/hello_retry.h"

struct sw_engine {
    struct sw_engine_config config;
    struct sw_engine_counters counters;
    struct sw_tls_env env; /**< env.now is the engine's clock during a call */

    struct sw_list conns;
    struct sw_list dead; /**< closed during this call; freed at its end */
    unsigned depth;      /**< calls of the engine on the stack: callbacks may come back */
    struct sw_half_open half_open;
    struct sw_deadlines deadlines;

    /* Server, datagram */
    struct sw_hash_seed seed;
    struct sw_hash_table by_address;
    struct sw_conn *recent; /**< found there last; in the table, or NULL */
    struct sw_hash_table by_session;
    struct sw_hash_table by_rotation;
    struct sw_hello_retry *hello_retry;
    struct sw_reject_limit reject_limit;
    struct sw_guests *guests; /**< NULL: connections are not placed with other workers */
    bool foreign;             /**< the datagram was handed on to us: never hand it on */

    /* Server */
    uint8_t auth_key[SW_DIGEST_LEN]; /**< that requests are remembered with */
    uint64_t auth_epoch;             /**< what was granted in an earlier one is asked again */

    struct sw_aead *aead; /**< NULL without Expresslane */
    struct sw_plugins plugins;
    uint8_t *piece; /**< a packet for the encoder; NULL without codec */

    struct sw_conn *client; /**< client: the one connection */

    uint8_t plain[SW_TLS_RECORD_MAX]; /**< plaintext on its way out */
    uint8_t inbox[SW_TLS_RECORD_MAX]; /**< plaintext of one datagram's record */
    uint8_t
        whole[SW_INSIDE_PACKET_MAX + 1]; /**< a packet put together, or about to be taken apart */
};

/** A TLS session for the connection, which has taken no step yet. NULL: out of memory. */
struct sw_tls *sw_conn_new_tls(struct sw_conn *conn);

/** Every public call that may change connections runs between these two. */
void sw_engine_enter(struct sw_engine *engine, sw_time now);
void sw_engine_leave(struct sw_engine *engine);

#endif
