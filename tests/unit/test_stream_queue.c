/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The bytes of a stream on their way out: all of them, in order, whatever the pieces. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/stream_queue.h"
#include "tests/unit/random.h"

static void test_what_goes_in_comes_out_in_order(void **state)
{
    struct sw_stream_queue q = {0};
    uint64_t seed = 1, in = 0, out = 0;
    uint8_t piece[5000];

    (void)state;
    for (int step = 0; step < 20000; step++) {
        size_t len = random_below(&seed, sizeof piece);
        if (random_below(&seed, 2) == 0) {
            for (size_t i = 0; i < len; i++)
                piece[i] = (uint8_t)((in + i) * 31 / 7);
            assert_int_equal(sw_stream_queue_put(&q, piece, len), 0);
            in += len;
        } else {
            size_t waiting = sw_stream_queue_len(&q);
            if (len > waiting) len = waiting;
            for (size_t i = 0; i < len; i++)
                assert_int_equal(q.bytes[q.start + i], (uint8_t)((out + i) * 31 / 7));
            sw_stream_queue_take(&q, len);
            out += len;
        }
        assert_int_equal(sw_stream_queue_len(&q), in - out);
    }
    sw_stream_queue_release(&q);
}

static void test_a_queue_that_drains_does_not_grow(void **state)
{
    struct sw_stream_queue q = {0};
    static const uint8_t piece[3000];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(sw_stream_queue_put(&q, piece, sizeof piece), 0);
        if (i > 0) sw_stream_queue_take(&q, sizeof piece); /* one piece always waits */
    }
    assert_int_equal(sw_stream_queue_len(&q), sizeof piece);
    assert_true(q.room <= 16384);
    sw_stream_queue_release(&q);
    assert_int_equal(sw_stream_queue_len(&q), 0);
    assert_null(q.bytes);
}

static void test_it_takes_more_than_the_limit(void **state)
{
    struct sw_stream_queue q = {0};
    static const uint8_t piece[SW_STREAM_QUEUE_LIMIT];

    (void)state;
    assert_int_equal(sw_stream_queue_put(&q, piece, sizeof piece), 0);
    assert_int_equal(sw_stream_queue_put(&q, piece, 16), 0);
    assert_int_equal(sw_stream_queue_len(&q), SW_STREAM_QUEUE_LIMIT + 16);
    sw_stream_queue_release(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_goes_in_comes_out_in_order),
        cmocka_unit_test(test_a_queue_that_drains_does_not_grow),
        cmocka_unit_test(test_it_takes_more_than_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
