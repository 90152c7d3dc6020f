/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Sums: the plain way takes two bytes at a time, as RFC 1071 describes it. */

#include <string.h>

#include "bench/micro.h"
#include "lib/offload/checksum.h"
#include "tests/unit/packet_bytes.h"

#define ACK  32   /* a TCP header with timestamps */
#define FULL 1372 /* what a path of 1431 bytes carries */

static uint8_t data[4096], copy[4096];

static void set_up(void)
{
    fill_random(data, sizeof data, 1);
}

static uint16_t fast_checksum(const uint8_t *bytes, size_t len, uint32_t start)
{
    uint8_t field[2];
    sw_checksum_store(field, sw_sum(bytes, len, start), false);
    return (uint16_t)(field[0] << 8 | field[1]);
}

static void check(void)
{
    uint64_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        size_t at = random_below(&seed, 64), len = random_below(&seed, 2000);
        uint16_t want = plain_checksum(data + at, len, 0);
        BENCH_CHECK(fast_checksum(data + at, len, 0) == want);
        uint8_t field[2];
        memset(copy, 0, sizeof copy);
        sw_checksum_store(field, sw_sum_copy(copy + at / 2, data + at, len, 0), false);
        BENCH_CHECK((field[0] << 8 | field[1]) == want);
        BENCH_CHECK(memcmp(copy + at / 2, data + at, len) == 0);
        data[random_below(&seed, sizeof data)] = (uint8_t)seed;
    }
}

static uint64_t plain_of(unsigned count, size_t len)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++)
        all += plain_checksum(data + i % 64, len, i & 0xff);
    return all;
}

static uint64_t fast_of(unsigned count, size_t len)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++)
        all += fast_checksum(data + i % 64, len, i & 0xff);
    return all;
}

static uint64_t plain_ack(unsigned count)
{
    return plain_of(count, ACK);
}

static uint64_t fast_ack(unsigned count)
{
    return fast_of(count, ACK);
}

static uint64_t plain_full(unsigned count)
{
    return plain_of(count, FULL);
}

static uint64_t fast_full(unsigned count)
{
    return fast_of(count, FULL);
}

static uint64_t copy_alone(unsigned count)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++) {
        memcpy(copy, data + i % 64, FULL);
        __asm__ volatile("" : : "r"(copy) : "memory");
        all += copy[i % FULL];
    }
    return all;
}

static uint64_t copy_then_sum(unsigned count)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++) {
        memcpy(copy, data + i % 64, FULL);
        all += sw_sum_fold(sw_sum(copy, FULL, i));
    }
    return all;
}

static uint64_t copy_and_sum(unsigned count)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++)
        all += sw_sum_fold(sw_sum_copy(copy, data + i % 64, FULL, i));
    return all;
}

const struct bench_group bench_checksum_ack = {
    "checksum-32", "32 bytes", set_up,
    check,         NULL,       {{"plain", plain_ack, 0}, {"sw_sum", fast_ack, 0}},
};

const struct bench_group bench_checksum_full = {
    "checksum-1372", "1372 bytes", set_up,
    check,           NULL,         {{"plain", plain_full, 0}, {"sw_sum", fast_full, 0}},
};

const struct bench_group bench_checksum_copy = {
    "checksum-copy",
    "1372 bytes",
    set_up,
    check,
    NULL,
    {{"memcpy, then sw_sum", copy_then_sum, 0},
     {"sw_sum_copy", copy_and_sum, 0},
     {"memcpy alone", copy_alone, 0}},
};
