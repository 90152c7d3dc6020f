/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SLIPWAY_BATCH_H
#define SLIPWAY_BATCH_H

#include <slipway/error.h>
#include <slipway/types.h>

/*
 * Datagrams on their way out, laid out the way the kernel takes them: one contiguous buffer, cut
 * into chunks. A chunk goes to one peer from one local address and becomes one message with
 * UDP_SEGMENT: all its datagrams have the chunk's stride except the last, which may be shorter. The
 * batch splits by itself: at the segment limit, at the byte limit, when peer or path changes, when
 * a datagram is longer than the stride or follows a shorter one (docs/offload.md F.4, F.6). Order
 * is kept.
 */

#define SW_BATCH_BYTES_IPV4 65507 /**< most payload of one send over IPv4 (docs/offload.md A.9) */
#define SW_BATCH_BYTES_IPV6 65527

struct sw_batch_chunk {
    struct sw_path path;
    size_t offset;   /**< of the first datagram in the buffer */
    size_t len;      /**< bytes of all its datagrams */
    uint16_t stride; /**< bytes of every datagram but the last */
    uint16_t count;  /**< datagrams, at least 1 */
    bool closed;     /**< takes no further datagram */
    bool probe;      /**< must leave in one piece, with DF, or not at all */
};

struct sw_batch {
    uint8_t *buffer;
    size_t size;
    size_t len; /**< bytes used */
    struct sw_batch_chunk *chunks;
    unsigned max_chunks;
    unsigned count;        /**< chunks used */
    unsigned max_segments; /**< datagrams per chunk: 1 (no UDP_SEGMENT), 64 or 128 */
    size_t reserved;       /**< bytes of the open reservation; 0: none */
};

/**
 * Allocates; bytes and max_chunks at least 1, max_segments 1..128. NULL when out of memory. Since
 * any datagram may need a chunk of its own, the last of max_chunks never grows beyond one datagram.
 */
struct sw_batch *sw_batch_new(size_t bytes, unsigned max_chunks, unsigned max_segments);
void sw_batch_free(struct sw_batch *batch);

/**
 * Room for one datagram of up to len bytes, to be filled and then committed. The pointer is valid
 * until the next call. SW_EFULL: flush first. SW_EINVAL: len is not 1..65527 or more than the whole
 * buffer.
 */
int sw_batch_reserve(struct sw_batch *batch, size_t len, uint8_t **out);

/**
 * The first len bytes of the last reservation become a datagram for path. max_stride: datagrams
 * longer than it are never put into a chunk with others (0: no limit), because the peer's path
 * takes them only singly (docs/offload.md F.5). Cannot fail after a successful reserve; len 1 up to
 * what was reserved. A reservation need not be committed.
 */
void sw_batch_commit(struct sw_batch *batch, const struct sw_path *path, size_t len,
                     size_t max_stride);

/** The same for a datagram that asks whether the path carries it whole. It stands alone. */
void sw_batch_commit_probe(struct sw_batch *batch, const struct sw_path *path, size_t len);

/** Empties the batch and keeps its memory. */
void sw_batch_clear(struct sw_batch *batch);

#endif
