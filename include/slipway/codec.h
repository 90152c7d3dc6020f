/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SLIPWAY_CODEC_H
#define SLIPWAY_CODEC_H

#include <slipway/types.h>

/*
 * A codec: code of the embedder's that re-encodes inside packets between two peers which both have
 * it, for error correction, compression and the like (docs/protocol/session.md §16). Only over UDP.
 * Slipway ships none.
 *
 * Encoders are off until the client asks for them (sw_engine_config.encode_at_connect,
 * sw_conn_set_encoding()) and the server agrees; decoders always work. The engine offers each
 * packet, cut to size, to the encoder; what the encoder makes of it, at once or later, goes out by
 * sw_conn_encoded(). What comes out of the decoder goes in by sw_conn_decoded(). Both may be called
 * from within encode and decode, and at any other time between calls of the engine.
 */

struct sw_conn;

enum sw_codec_result {
    SW_CODEC_SKIPPED, /**< not for the codec: goes on as it is */
    SW_CODEC_TAKEN,   /**< the codec has copied what it needs of it */
    SW_CODEC_FAILED,  /**< the codec cannot go on: ends the connection, except for what came in by
                         Expresslane, whose mark of being encoded anybody on the way can forge */
};

struct sw_codec {
    void *user; /**< the codec's own; what its calls get as instance when it has no open */

    /** Optional: something for one connection, which is new. NULL: out of memory. */
    void *(*open)(const struct sw_codec *codec, struct sw_conn *conn);
    void (*close)(void *instance); /**< of what open returned; NULL: nothing to do */

    /** A whole IPv4 packet on its way to the peer, as the peer will see it; only while encoding is
     * on. */
    enum sw_codec_result (*encode)(void *instance, const uint8_t *packet, size_t len, sw_time now);

    /** What the peer's sw_conn_encoded() was given. */
    enum sw_codec_result (*decode)(void *instance, const uint8_t *bytes, size_t len, sw_time now);
};

/**
 * Encoder output for the peer. 0; SW_ESTATE: not Online; SW_ETRANSPORT: not over UDP; SW_EOVERSIZE:
 * longer than an inside packet may be; SW_EAGAIN: the batch is full, it was not sent.
 */
int sw_conn_encoded(struct sw_conn *conn, const uint8_t *bytes, size_t len, sw_time now);

/** A whole inside packet of the peer, which may be changed. 0 or SW_ESTATE. What is no IPv4 packet
 * is dropped and counted. */
int sw_conn_decoded(struct sw_conn *conn, uint8_t *packet, size_t len, sw_time now);

/**
 * Client: asks the server to turn encoding on or off, in both directions. The request is repeated
 * until it is answered, for about ten seconds; SW_EVENT_ENCODING says when something has changed.
 * 0, or SW_EMODE (a server), SW_ENOCODEC, SW_ETRANSPORT (not over UDP), SW_ESTATE (not Online).
 */
int sw_conn_set_encoding(struct sw_conn *conn, bool enable, sw_time now);

/** Whether packets to the peer are offered to the encoder. */
bool sw_conn_encoding(const struct sw_conn *conn);

#endif
