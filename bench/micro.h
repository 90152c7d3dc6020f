/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_BENCH_MICRO_H
#define SW_BENCH_MICRO_H

/*
 * Micro benchmarks of the pure rooms. A group does one job in several ways, the first of which is
 * what the others are compared with. Before anything is timed, check() shows on random input that
 * all ways give the same result.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BENCH_WAYS 5

struct bench_way {
    const char *name;
    /** Does the job count times; what it returns depends on the result, so that it is not left out.
     */
    uint64_t (*run)(unsigned count);
    double most; /**< the ratio to the first way that may not be exceeded; 0: none */
};

struct bench_group {
    const char *name;
    const char *operation; /**< what is counted */
    void (*set_up)(void);
    void (*check)(void); /**< aborts with a message if two ways differ */
    void (*tear_down)(void);
    struct bench_way ways[BENCH_WAYS]; /**< run NULL: the end */
};

extern const struct bench_group bench_checksum_ack, bench_checksum_full, bench_checksum_copy;
extern const struct bench_group bench_segment;
extern const struct bench_group bench_coalesce, bench_coalesce_acks;
#ifdef SW_HAVE_IPSEC_MB
extern const struct bench_group bench_seal, bench_open;
#endif

#define BENCH_CHECK(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "bench-micro: %s:%d: not so: %s\n", __FILE__, __LINE__, #condition);   \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

#endif
