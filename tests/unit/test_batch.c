/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The batch and its chunks: include/slipway/batch.h; docs/offload.md A.9, D.1, F.4 to F.6. */

#include <slipway/batch.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/packet_bytes.h"

#define LARGE ((size_t)1 << 20)

static const struct sw_path peer = {
    .remote = {.family = 4, .port = 40000, .ip = {192, 0, 2, 1}},
    .local = {.family = 4, .port = 27690, .ip = {198, 51, 100, 7}},
};
static const struct sw_path peer6 = {
    .remote = {.family = 6, .port = 40000, .ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}},
};

/* Adds a datagram whose bytes are all fill. */
static int put(struct sw_batch *batch, const struct sw_path *path, size_t len, size_t max_stride,
               uint8_t fill)
{
    uint8_t *room;
    int rc = sw_batch_reserve(batch, len, &room);
    if (rc < 0) return rc;
    memset(room, fill, len);
    sw_batch_commit(batch, path, len, max_stride);
    return 0;
}

static void put_many(struct sw_batch *batch, const struct sw_path *path, size_t len, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(put(batch, path, len, 0, (uint8_t)i), 0);
    }
}

/* Chunk by chunk: count, stride, bytes; and that chunks lie in the buffer without a gap. */
struct expected {
    unsigned count;
    size_t stride, len;
};

static void check_chunks(const struct sw_batch *batch, const struct expected *expected, unsigned n)
{
    size_t offset = 0;
    assert_int_equal(batch->count, n);
    for (unsigned i = 0; i < n; i++) {
        const struct sw_batch_chunk *chunk = &batch->chunks[i];
        assert_int_equal(chunk->count, expected[i].count);
        assert_int_equal(chunk->stride, expected[i].stride);
        assert_int_equal(chunk->len, expected[i].len);
        assert_int_equal(chunk->offset, offset);
        offset += chunk->len;
    }
    assert_int_equal(batch->len, offset);
}

#define CHECK_CHUNKS(batch, ...)                                                                   \
    do {                                                                                           \
        const struct expected expected_[] = {__VA_ARGS__};                                         \
        check_chunks(batch, expected_, sizeof expected_ / sizeof expected_[0]);                    \
    } while (0)

static void test_probe_stands_alone(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 64);
    uint8_t *room;
    put_many(batch, &peer, 1000, 2);
    assert_int_equal(sw_batch_reserve(batch, 1000, &room), 0);
    memset(room, 7, 1000);
    sw_batch_commit_probe(batch, &peer, 1000);
    put_many(batch, &peer, 1000, 2);
    CHECK_CHUNKS(batch, {2, 1000, 2000}, {1, 1000, 1000}, {2, 1000, 2000});
    assert_false(batch->chunks[0].probe || batch->chunks[2].probe);
    assert_true(batch->chunks[1].probe);
    sw_batch_clear(batch);
    put_many(batch, &peer, 1000, 1);
    put_many(batch, &peer, 1000, 1);
    CHECK_CHUNKS(batch, {2, 1000, 2000});
    assert_false(batch->chunks[0].probe); /* nothing is left of it */
    sw_batch_free(batch);
}

static void test_new_batch_is_empty(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 64);
    assert_non_null(batch);
    assert_int_equal(batch->len, 0);
    assert_int_equal(batch->count, 0);
    assert_int_equal(batch->size, LARGE);
    sw_batch_free(batch);
    sw_batch_free(NULL);
}

static void test_equal_datagrams_share_a_chunk_in_order(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 64);
    put_many(batch, &peer, 1406, 3);
    CHECK_CHUNKS(batch, {3, 1406, 3 * 1406});
    for (size_t i = 0; i < 3u * 1406; i++) {
        assert_int_equal(batch->buffer[i], i / 1406);
    }
    assert_memory_equal(&batch->chunks[0].path.remote.ip, peer.remote.ip, 16);
    assert_int_equal(batch->chunks[0].path.local.port, 27690);
    sw_batch_free(batch);
}

static void test_bytes_limit_a_chunk_of_1406_to_46(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 128);
    put_many(batch, &peer, 1406, 100);
    CHECK_CHUNKS(batch, {46, 1406, 46 * 1406}, {46, 1406, 46 * 1406}, {8, 1406, 8 * 1406});
    sw_batch_free(batch);
}

static void test_segments_limit_a_chunk_of_small_ones_to_64(void **state)
{
    (void)state;
    static const size_t strides[] = {256, 100, 1};
    for (size_t i = 0; i < 3; i++) {
        size_t stride = strides[i];
        struct sw_batch *batch = sw_batch_new(LARGE, 16, 64);
        put_many(batch, &peer, stride, 130);
        CHECK_CHUNKS(batch, {64, stride, 64 * stride}, {64, stride, 64 * stride},
                     {2, stride, 2 * stride});
        assert_true(batch->chunks[0].closed);
        assert_false(batch->chunks[2].closed);
        sw_batch_free(batch);
    }
}

static void test_segments_limit_128_where_the_kernel_takes_them(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 128);
    put_many(batch, &peer, 256, 130);
    CHECK_CHUNKS(batch, {128, 256, 128 * 256}, {2, 256, 512});
    sw_batch_free(batch);
}

static void test_byte_limit_is_exact_and_depends_on_the_family(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 64);
    /* 5 * 13101 = 65505: two bytes are left over IPv4 and 22 over IPv6 */
    put_many(batch, &peer, 13101, 5);
    assert_int_equal(put(batch, &peer, 3, 0, 9), 0);
    assert_int_equal(put(batch, &peer, 2, 0, 9), 0);
    CHECK_CHUNKS(batch, {5, 13101, 65505}, {2, 3, 5});
    sw_batch_clear(batch);
    put_many(batch, &peer, 13101, 5);
    assert_int_equal(put(batch, &peer, 2, 0, 9), 0);
    CHECK_CHUNKS(batch, {6, 13101, 65507});
    sw_batch_clear(batch);
    put_many(batch, &peer6, 13101, 5);
    assert_int_equal(put(batch, &peer6, 22, 0, 9), 0);
    CHECK_CHUNKS(batch, {6, 13101, 65527});
    sw_batch_clear(batch);
    put_many(batch, &peer6, 13101, 5);
    assert_int_equal(put(batch, &peer6, 23, 0, 9), 0);
    CHECK_CHUNKS(batch, {5, 13101, 65505}, {1, 23, 23});
    sw_batch_free(batch);
}

static void test_shorter_tail_closes_the_chunk(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 64);
    put_many(batch, &peer, 1406, 2);
    assert_int_equal(put(batch, &peer, 300, 0, 1), 0);
    assert_true(batch->chunks[0].closed);
    assert_int_equal(put(batch, &peer, 300, 0, 1), 0);
    assert_int_equal(put(batch, &peer, 300, 0, 1), 0);
    CHECK_CHUNKS(batch, {3, 1406, 2 * 1406 + 300}, {2, 300, 600});
    sw_batch_free(batch);
}

static void test_longer_datagram_starts_a_chunk_and_closes_the_last(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 64);
    put_many(batch, &peer, 1000, 2);
    assert_int_equal(put(batch, &peer, 1001, 0, 1), 0);
    assert_true(batch->chunks[0].closed);
    assert_false(batch->chunks[1].closed);
    assert_int_equal(put(batch, &peer, 1000, 0, 1), 0);
    CHECK_CHUNKS(batch, {2, 1000, 2000}, {2, 1001, 2001});
    sw_batch_free(batch);
}

static void test_without_segmentation_every_datagram_is_a_chunk(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 1);
    put_many(batch, &peer, 1406, 3);
    CHECK_CHUNKS(batch, {1, 1406, 1406}, {1, 1406, 1406}, {1, 1406, 1406});
    sw_batch_free(batch);
}

static void test_datagrams_above_the_max_stride_stand_alone(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 64);
    assert_int_equal(put(batch, &peer, 1300, 1300, 0), 0);
    assert_int_equal(put(batch, &peer, 1300, 1300, 0), 0);
    assert_int_equal(put(batch, &peer, 1301, 1300, 0), 0);
    assert_int_equal(put(batch, &peer, 1301, 1300, 0), 0);
    assert_int_equal(put(batch, &peer, 1300, 1300, 0), 0);
    assert_int_equal(put(batch, &peer, 200, 1300, 0), 0);
    CHECK_CHUNKS(batch, {2, 1300, 2600}, {1, 1301, 1301}, {1, 1301, 1301}, {2, 1300, 1500});
    sw_batch_free(batch);
}

static void test_max_stride_that_changes_joins_no_longer_ones(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 64);
    assert_int_equal(put(batch, &peer, 1400, 0, 0), 0);
    assert_int_equal(put(batch, &peer, 1200, 1300, 0), 0);
    CHECK_CHUNKS(batch, {1, 1400, 1400}, {1, 1200, 1200});
    sw_batch_clear(batch);
    assert_int_equal(put(batch, &peer, 1400, 1300, 0), 0); /* and one that goes up again */
    assert_int_equal(put(batch, &peer, 1400, 0, 0), 0);
    CHECK_CHUNKS(batch, {1, 1400, 1400}, {1, 1400, 1400});
    sw_batch_free(batch);
}

static void test_every_part_of_the_path_separates_chunks(void **state)
{
    (void)state;
    struct sw_path paths[7];
    for (size_t i = 0; i < 7; i++) {
        paths[i] = peer;
    }
    paths[1].remote.port++;
    paths[2].remote.ip[3]++;
    paths[3].remote.scope = 2;
    paths[4].local.ip[3]++;
    paths[5].local.port++;
    paths[6].local.family = 0;

    /* Each between two of the first, so that neighbours differ in one part only. */
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 64);
    put_many(batch, &paths[0], 500, 2);
    for (size_t i = 1; i < 7; i++) {
        put_many(batch, &paths[i], 500, 2);
        put_many(batch, &paths[0], 500, 2);
    }
    struct expected pairs[13];
    for (size_t i = 0; i < 13; i++) {
        pairs[i] = (struct expected){2, 500, 1000};
    }
    check_chunks(batch, pairs, 13);
    assert_int_equal(batch->chunks[1].path.remote.port, 40001);
    assert_int_equal(batch->chunks[11].path.local.family, 0);
    sw_batch_free(batch);
}

static void test_padding_inside_a_path_does_not_separate_chunks(void **state)
{
    (void)state;
    struct sw_path a, b;
    memset(&a, 0x00, sizeof a);
    memset(&b, 0xff, sizeof b);
    struct sw_path *paths[] = {&a, &b};
    for (size_t i = 0; i < 2; i++) {
        struct sw_address *ends[] = {&paths[i]->remote, &paths[i]->local};
        for (size_t j = 0; j < 2; j++) {
            ends[j]->family = 4;
            ends[j]->port = 9;
            ends[j]->scope = 0;
            memset(ends[j]->ip, 0, 16);
        }
    }
    struct sw_batch *batch = sw_batch_new(LARGE, 16, 64);
    put_many(batch, &a, 500, 1);
    put_many(batch, &b, 500, 1);
    CHECK_CHUNKS(batch, {2, 500, 1000});
    sw_batch_free(batch);
}

static void test_commit_may_use_less_than_was_reserved(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(3000, 16, 64);
    uint8_t *room;
    assert_int_equal(sw_batch_reserve(batch, 2000, &room), 0);
    assert_ptr_equal(room, batch->buffer);
    sw_batch_commit(batch, &peer, 1400, 0);
    assert_int_equal(sw_batch_reserve(batch, 1600, &room), 0); /* never committed */
    assert_int_equal(sw_batch_reserve(batch, 1500, &room), 0);
    assert_ptr_equal(room, batch->buffer + 1400);
    sw_batch_commit(batch, &peer, 1400, 0);
    CHECK_CHUNKS(batch, {2, 1400, 2800});
    sw_batch_free(batch);
}

static void test_reserve_beyond_the_free_room_is_full(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(3000, 16, 64);
    uint8_t *room;
    put_many(batch, &peer, 1400, 2);
    assert_int_equal(sw_batch_reserve(batch, 201, &room), SW_EFULL);
    assert_int_equal(sw_batch_reserve(batch, 200, &room), 0);
    sw_batch_commit(batch, &peer, 200, 0);
    assert_int_equal(sw_batch_reserve(batch, 1, &room), SW_EFULL);
    CHECK_CHUNKS(batch, {3, 1400, 3000});
    sw_batch_free(batch);
}

static void test_chunks_run_out_before_a_commit_could_fail(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(LARGE, 2, 64);
    uint8_t *room;
    put_many(batch, &peer, 1000, 2);
    put_many(batch, &peer6, 1000, 1);
    assert_int_equal(sw_batch_reserve(batch, 1, &room), SW_EFULL);
    CHECK_CHUNKS(batch, {2, 1000, 2000}, {1, 1000, 1000});
    sw_batch_free(batch);
}

static void test_reserve_refuses_lengths_no_flush_can_help(void **state)
{
    (void)state;
    uint8_t *room = NULL;
    struct sw_batch *small = sw_batch_new(3000, 16, 64);
    assert_int_equal(sw_batch_reserve(small, 0, &room), SW_EINVAL);
    assert_int_equal(sw_batch_reserve(small, 3001, &room), SW_EINVAL);
    assert_int_equal(sw_batch_reserve(small, SIZE_MAX, &room), SW_EINVAL);
    assert_int_equal(sw_batch_reserve(small, 3000, &room), 0);
    sw_batch_free(small);

    struct sw_batch *large = sw_batch_new(LARGE, 16, 64);
    assert_int_equal(sw_batch_reserve(large, 65528, &room), SW_EINVAL);
    assert_int_equal(sw_batch_reserve(large, 65527, &room), 0);
    sw_batch_commit(large, &peer, 65527, 0);
    assert_int_equal(put(large, &peer, 1, 0, 0), 0);
    CHECK_CHUNKS(large, {1, 65527, 65527}, {1, 1, 1});
    sw_batch_free(large);
}

static void test_clear_empties_and_keeps_the_memory(void **state)
{
    (void)state;
    struct sw_batch *batch = sw_batch_new(5000, 3, 64);
    uint8_t *buffer = batch->buffer;
    struct sw_batch_chunk *chunks = batch->chunks;
    put_many(batch, &peer, 1400, 3);
    sw_batch_clear(batch);
    assert_int_equal(batch->len, 0);
    assert_int_equal(batch->count, 0);
    assert_ptr_equal(batch->buffer, buffer);
    assert_ptr_equal(batch->chunks, chunks);
    put_many(batch, &peer, 700, 2);
    CHECK_CHUNKS(batch, {2, 700, 1400});
    sw_batch_free(batch);
}

/* Any mixture: nothing is lost or reordered, and every chunk is one the kernel accepts. */
static void test_random_mixtures_keep_order_and_limits(void **state)
{
    (void)state;
    enum { DATAGRAMS = 400 };
    for (uint32_t seed = 1; seed <= 200; seed++) {
        uint8_t noise[DATAGRAMS * 4];
        size_t lens[DATAGRAMS];
        fill_random(noise, sizeof noise, seed * 7919);
        unsigned max_segments = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 64 : 128;
        struct sw_batch *batch = sw_batch_new(LARGE, DATAGRAMS, max_segments);
        for (size_t i = 0; i < DATAGRAMS; i++) {
            const uint8_t *n = noise + i * 4;
            lens[i] = n[0] < 200 ? 1406 : n[0] < 230 ? 100 + n[1] : 2000 + 40 * n[1];
            const struct sw_path *path = n[2] < 3 ? &peer6 : &peer;
            assert_int_equal(put(batch, path, lens[i], n[3] < 20 ? 1350 : 0, (uint8_t)i), 0);
        }
        size_t next = 0, offset = 0;
        for (unsigned c = 0; c < batch->count; c++) {
            const struct sw_batch_chunk *chunk = &batch->chunks[c];
            assert_true(chunk->count >= 1 && chunk->count <= max_segments);
            assert_true(chunk->len <= (chunk->path.remote.family == 6 ? SW_BATCH_BYTES_IPV6
                                                                      : SW_BATCH_BYTES_IPV4));
            assert_int_equal(chunk->offset, offset);
            for (unsigned i = 0; i < chunk->count; i++, next++) {
                size_t len = lens[next];
                assert_true(i + 1 < chunk->count ? len == chunk->stride : len <= chunk->stride);
                assert_int_equal(batch->buffer[offset], (uint8_t)next);
                assert_int_equal(batch->buffer[offset + len - 1], (uint8_t)next);
                offset += len;
            }
            assert_int_equal(offset, chunk->offset + chunk->len);
        }
        assert_int_equal(next, DATAGRAMS);
        sw_batch_free(batch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_batch_is_empty),
        cmocka_unit_test(test_probe_stands_alone),
        cmocka_unit_test(test_equal_datagrams_share_a_chunk_in_order),
        cmocka_unit_test(test_bytes_limit_a_chunk_of_1406_to_46),
        cmocka_unit_test(test_segments_limit_a_chunk_of_small_ones_to_64),
        cmocka_unit_test(test_segments_limit_128_where_the_kernel_takes_them),
        cmocka_unit_test(test_byte_limit_is_exact_and_depends_on_the_family),
        cmocka_unit_test(test_shorter_tail_closes_the_chunk),
        cmocka_unit_test(test_longer_datagram_starts_a_chunk_and_closes_the_last),
        cmocka_unit_test(test_without_segmentation_every_datagram_is_a_chunk),
        cmocka_unit_test(test_datagrams_above_the_max_stride_stand_alone),
        cmocka_unit_test(test_max_stride_that_changes_joins_no_longer_ones),
        cmocka_unit_test(test_every_part_of_the_path_separates_chunks),
        cmocka_unit_test(test_padding_inside_a_path_does_not_separate_chunks),
        cmocka_unit_test(test_commit_may_use_less_than_was_reserved),
        cmocka_unit_test(test_reserve_beyond_the_free_room_is_full),
        cmocka_unit_test(test_chunks_run_out_before_a_commit_could_fail),
        cmocka_unit_test(test_reserve_refuses_lengths_no_flush_can_help),
        cmocka_unit_test(test_clear_empties_and_keeps_the_memory),
        cmocka_unit_test(test_random_mixtures_keep_order_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
