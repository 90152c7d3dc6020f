/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SLIPWAY_PLUGIN_H
#define SLIPWAY_PLUGIN_H

#include <slipway/types.h>
#include <slipway/vnet.h>

/*
 * Plugins: code of the embedder's that sees every packet of an engine, may change it in place, and
 * says what becomes of it (docs/protocol/session.md §15). There are two chains, given in struct
 * sw_engine_config. Ingress is asked in the order of the list, egress in the reverse order, and the
 * first answer other than SW_PLUGIN_ACCEPT ends the walk.
 *
 *                      ingress                                 egress
 *     inside           from the TUN to the peer, a packet or   from the peer to the TUN, one
 * packet, a superpacket at once, after address    before address translation translation outside,
 * UDP     a datagram as received                  a datagram as it will be sent, header included
 *     outside, TCP     what one read gave, cut anywhere        what one TLS write produced
 *
 * An outside plugin on TCP therefore transforms a stream: it must not depend on where the pieces
 * begin, and what it drops is missing in the stream for good.
 *
 * What a plugin answers never ends a connection. An inside packet that it leaves malformed is
 * dropped and counted like any other.
 */

struct sw_conn;

enum sw_plugin_verdict {
    SW_PLUGIN_ACCEPT, /**< goes on, as changed */
    SW_PLUGIN_DROP,   /**< ends here */
    /** Ends here, and what the buffer holds now, a whole IPv4 packet, goes back to where the packet
     * came from: on inside ingress to the TUN (translated as if the peer had sent it), on inside
     * egress to the peer. On the outside the same as SW_PLUGIN_DROP. */
    SW_PLUGIN_REPLY,
    SW_PLUGIN_ERROR, /**< ends here, and counts as a failure of the plugin */
};

/** What a plugin sees and changes; valid during the call. */
struct sw_plugin_buffer {
    uint8_t *data;
    size_t len;  /**< may be changed, up to room */
    size_t room; /**< bytes at data: len and what all plugins of the chain add, except on inside
                    ingress, where it is sw_inside_packet.room */
    const struct sw_vnet *vnet; /**< inside ingress: what the kernel said; it is compared with the
                                   packet again afterwards. NULL elsewhere */
};

struct sw_plugin {
    const char *name;
    void *user;   /**< the plugin's own; what its calls get as instance when it has no open */
    size_t grows; /**< most bytes that one call adds. Outside, the tunnel's packets become smaller
                     by that much; 0 costs nothing */

    /**
     * Optional: something for one connection. conn is new; only its transport and path are known.
     * On an outside chain also called once with NULL, for the datagrams that belong to no
     * connection: all that a server receives, its answers to strangers, and what reaches a client
     * without one. NULL: out of memory, the connection or the engine is not made.
     */
    void *(*open)(const struct sw_plugin *plugin, struct sw_conn *conn);
    void (*close)(void *instance); /**< of what open returned; NULL: nothing to do */

    /** conn is NULL where instance belongs to none. They may look at the connection but must not
     * call what changes it. NULL: accepts everything. */
    enum sw_plugin_verdict (*ingress)(void *instance, struct sw_conn *conn,
                                      struct sw_plugin_buffer *buffer);
    enum sw_plugin_verdict (*egress)(void *instance, struct sw_conn *conn,
                                     struct sw_plugin_buffer *buffer);
};

/** Most that the outside plugins of an engine may add to a datagram, together. */
#define SW_PLUGIN_GROWTH_MAX 256

struct sw_plugin_list {
    const struct sw_plugin *const
        *plugins; /**< the engine copies the list and borrows the plugins */
    size_t count;
};

/**
 * A plugin for the inside chain of a server: a client may send from the one address it was told
 * (sw_engine_config.client_ip) and from no other. The server writes another source over it anyway;
 * this keeps packets away that were never meant for the tunnel. Its drops are counted as
 * inside_source_refused.
 */
const struct sw_plugin *sw_source_guard(void);

#endif
