/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIM_STREAM_H
#define SIM_STREAM_H

/*
 * A TCP connection between two nodes: bytes arrive in order, in pieces of any size, as soon as the
 * receiver reads. What one end has sent and the other not read waits in a socket buffer of limited
 * size. Joins the world by its step and the nodes' event hooks.
 */

#include "tests/sim/world.h"

enum { STREAM_SERVER, STREAM_CLIENT };

struct stream {
    struct world *world;
    struct sw_conn *conns[2]; /**< NULL: that end is closed */
    bool reading[2];
    size_t max_chunk; /**< largest piece that one read gives */
    size_t room;      /**< bytes a socket buffer takes */
    struct pipe {
        uint8_t *bytes;
        size_t start, end, room;
        bool ended;
    } to[2];
    uint64_t carried[2];
};

/** Client connects, server accepts; world_run() does the rest. */
void stream_open(struct stream *stream, struct node *server, struct node *client, size_t max_chunk);
/** What stream_open() makes the nodes' event hook; a hook in its place must call it. */
void stream_event(struct node *node, struct sw_conn *conn, const struct sw_event *event);
void stream_free(struct stream *stream);

/** Moves what can be moved now. */
void stream_pump(struct stream *stream);

/** Bytes on their way to an end from nowhere. */
void stream_inject(struct stream *stream, int to, const void *bytes, size_t len);

#endif
