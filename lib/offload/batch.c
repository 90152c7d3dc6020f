/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Datagrams on their way out (include/slipway/batch.h; rules: docs/offload.md A.9, F.4 to F.6).
 *
 * Writers put datagrams one behind the other into one buffer; the batch cuts the row into chunks
 * that the kernel accepts as one UDP_SEGMENT send each. Invariants:
 *
 *   - chunks lie in the buffer without gaps, in the order of their datagrams;
 *   - all datagrams of a chunk have its stride, except the last, which may be shorter: a shorter
 * one closes its chunk, a longer one starts the next;
 *   - a chunk is at most max_segments datagrams and the byte limit of its address family, except
 * that a single datagram beyond the byte limit stands alone (the kernel's refusal is the host's to
 * count);
 *   - a successful reserve leaves room for a new chunk as well, because only the commit knows the
 * path. So the last chunk that max_chunks allows holds one datagram.
 */

#include <assert.h>
#include <slipway/batch.h>
#include <stdlib.h>
#include <string.h>

#define DATAGRAM_MAX 65527
#define SEGMENTS_MAX 128

struct sw_batch *sw_batch_new(size_t bytes, unsigned max_chunks, unsigned max_segments)
{
    assert(bytes > 0 && max_chunks > 0);
    assert(max_segments >= 1 && max_segments <= SEGMENTS_MAX);
    struct sw_batch *batch = malloc(sizeof *batch);
    if (batch == NULL) return NULL;
    *batch = (struct sw_batch){
        .buffer = malloc(bytes),
        .size = bytes,
        .chunks = calloc(max_chunks, sizeof *batch->chunks),
        .max_chunks = max_chunks,
        .max_segments = max_segments,
    };
    if (batch->buffer == NULL || batch->chunks == NULL) {
        sw_batch_free(batch);
        return NULL;
    }
    return batch;
}

void sw_batch_free(struct sw_batch *batch)
{
    if (batch == NULL) return;
    free(batch->chunks);
    free(batch->buffer);
    free(batch);
}

int sw_batch_reserve(struct sw_batch *batch, size_t len, uint8_t **out)
{
    batch->reserved = 0;
    if (len == 0 || len > DATAGRAM_MAX || len > batch->size) return SW_EINVAL;
    if (batch->size - batch->len < len || batch->count == batch->max_chunks) return SW_EFULL;
    batch->reserved = len;
    *out = batch->buffer + batch->len;
    return 0;
}

/* Field by field: the padding inside struct sw_address has no defined value. */
static bool same_address(const struct sw_address *a, const struct sw_address *b)
{
    return a->family == b->family && a->port == b->port && a->scope == b->scope &&
           memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static bool same_path(const struct sw_path *a, const struct sw_path *b)
{
    return same_address(&a->remote, &b->remote) && same_address(&a->local, &b->local);
}

static size_t byte_limit(const struct sw_path *path)
{
    return path->remote.family == 6 ? SW_BATCH_BYTES_IPV6 : SW_BATCH_BYTES_IPV4;
}

static bool chunk_takes(const struct sw_batch_chunk *chunk, const struct sw_path *path, size_t len)
{
    return !chunk->closed && len <= chunk->stride && chunk->len + len <= byte_limit(path) &&
           same_path(&chunk->path, path);
}

void sw_batch_commit(struct sw_batch *batch, const struct sw_path *path, size_t len,
                     size_t max_stride)
{
    assert(batch->chunks != NULL && len > 0 && len <= batch->reserved);
    bool alone = batch->max_segments == 1 || (max_stride != 0 && len > max_stride);
    struct sw_batch_chunk *last = batch->count > 0 ? &batch->chunks[batch->count - 1] : NULL;

    /* A limit that came down since the last chunk was opened ends that chunk. */
    bool stride_allowed = max_stride == 0 || (last != NULL && last->stride <= max_stride);
    if (last != NULL && stride_allowed && chunk_takes(last, path, len)) {
        last->len += len;
        last->count++;
        last->closed = len < last->stride || last->count == batch->max_segments;
    } else {
        if (last != NULL) last->closed = true;
        batch->chunks[batch->count++] = (struct sw_batch_chunk){
            .path = *path,
            .offset = batch->len,
            .len = len,
            .stride = (uint16_t)len,
            .count = 1,
            .closed = alone,
        };
    }
    batch->len += len;
    batch->reserved = 0;
}

void sw_batch_commit_probe(struct sw_batch *batch, const struct sw_path *path, size_t len)
{
    if (batch->count > 0) batch->chunks[batch->count - 1].closed = true;
    sw_batch_commit(batch, path, len, 0);
    batch->chunks[batch->count - 1].closed = true;
    batch->chunks[batch->count - 1].probe = true;
}

void sw_batch_clear(struct sw_batch *batch)
{
    batch->len = 0;
    batch->count = 0;
    batch->reserved = 0;
}
