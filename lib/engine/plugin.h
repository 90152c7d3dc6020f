/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_PLUGIN_H
#define SW_ENGINE_PLUGIN_H

/* The plugin chains, as the files of this room see them (docs/protocol/session.md §15). Callers
 * look first whether a chain has plugins at all. */

#include <slipway/engine.h>
#include <slipway/plugin.h>

/** Of an engine. */
struct sw_plugins {
    struct sw_plugin_list inside, outside;
    size_t inside_grows, outside_grows; /**< what a whole chain may add */
    void **shared; /**< the outside plugins' instances for no connection; NULL: there are none */

    /* Room to grow in, each only where there is a plugin that needs it */
    uint8_t *packet;   /**< an inside packet of the peer */
    uint8_t *incoming; /**< a datagram, or the bytes of a read */
    uint8_t *outgoing; /**< the bytes of a TLS write */
};

/** Bytes of a piece of a stream, or of any packet, before plugins add to them. */
#define SW_PLUGIN_PIECE 65536

/** 0, SW_EINVAL or SW_ENOMEM; release is right in any case. */
int sw_plugins_init(struct sw_engine *engine);
void sw_plugins_release(struct sw_engine *engine);

/** A connection's instances. 0 or SW_ENOMEM. */
int sw_plugins_attach(struct sw_conn *conn);
void sw_plugins_detach(struct sw_conn *conn);

/** What came of a chain. */
enum sw_plugins_result {
    SW_PLUGINS_PASS,
    SW_PLUGINS_GONE,  /**< counted */
    SW_PLUGINS_REPLY, /**< counted; data and len are the reply */
};

/** A packet or superpacket from the TUN; its length may change. */
enum sw_plugins_result sw_plugins_inside_in(struct sw_conn *conn, struct sw_inside_packet *packet);

/** A packet of the peer; it may move and change its length. */
enum sw_plugins_result sw_plugins_inside_out(struct sw_conn *conn, uint8_t **data, size_t *len);

/** A datagram as received (conn NULL on a server), or a piece of a stream of at most
 * SW_PLUGIN_PIECE bytes. */
bool sw_plugins_outside_in(struct sw_engine *engine, struct sw_conn *conn, const uint8_t **data,
                           size_t *len);

/** A datagram in a place with outside_grows bytes of room behind it. conn may be NULL. */
bool sw_plugins_datagram_out(struct sw_engine *engine, struct sw_conn *conn, uint8_t *data,
                             size_t *len);

/** A piece of a stream, at most SW_PLUGIN_PIECE bytes. */
bool sw_plugins_stream_out(struct sw_conn *conn, const uint8_t **data, size_t *len);

#endif
