/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * bench-micro: how long the pure rooms take for one packet, and how that compares with a plain way
 * of doing the same.
 *
 * The ways of a group are run in turn, round after round, and each is judged by its median round,
 * in time of this thread: what else the machine does then disturbs all ways alike. Ratios are what
 * counts; the nanoseconds are those of one machine on one day.
 *
 * Exit status: 0, 1 when two ways differ in their results, 2 when a ratio with a limit exceeds it.
 */

#include "bench/micro.h"

#include <string.h>
#include <time.h>

#define ROUNDS      41
#define ROUND_NANOS 1e6

static const struct bench_group *const groups[] = {
    &bench_checksum_ack, &bench_checksum_full, &bench_checksum_copy,
    &bench_segment,      &bench_coalesce,      &bench_coalesce_acks,
#ifdef SW_HAVE_IPSEC_MB
    &bench_seal,         &bench_open,
#endif
};

struct result {
    unsigned count;        /* operations in a round */
    double rounds[ROUNDS]; /* nanoseconds per operation */
    double median;
};

static volatile uint64_t sink;

static double thread_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds of count operations. */
static double timed(const struct bench_way *way, unsigned count)
{
    double start = thread_time();
    sink = sink + way->run(count);
    return thread_time() - start;
}

/* How many operations make a round long enough to be timed. */
static unsigned calibrate(const struct bench_way *way)
{
    unsigned count = 16;
    while (count < 1u << 28) {
        if (timed(way, count) >= ROUND_NANOS) break;
        count *= 2;
    }
    return count;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static unsigned measure(const struct bench_group *group, struct result *results)
{
    unsigned ways = 0;
    while (ways < BENCH_WAYS && group->ways[ways].run != NULL) {
        results[ways].count = calibrate(&group->ways[ways]);
        ways++;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < ways; i++) {
            unsigned count = results[i].count;
            results[i].rounds[round] = timed(&group->ways[i], count) / count;
        }
    }
    for (unsigned i = 0; i < ways; i++) {
        qsort(results[i].rounds, ROUNDS, sizeof results[i].rounds[0], compare_doubles);
        results[i].median = results[i].rounds[ROUNDS / 2];
    }
    return ways;
}

static void print_text(const struct bench_group *group, unsigned i, const struct result *results)
{
    double ratio = results[i].median / results[0].median;
    if (i == 0) printf("\n%s, ns per %s\n", group->name, group->operation);
    printf("  %-44s %9.1f  %6.3f", group->ways[i].name, results[i].median, ratio);
    if (group->ways[i].most > 0)
        printf("  %s %.2f", ratio <= group->ways[i].most ? "<=" : "MORE THAN", group->ways[i].most);
    printf("\n");
}

static void print_json(const struct bench_group *group, unsigned i, const struct result *results)
{
    static bool any;
    printf("%s\n  {\"group\": \"%s\", \"operation\": \"%s\", \"way\": \"%s\", \"ns\": %.2f, "
           "\"ratio\": %.4f",
           any ? "," : "[", group->name, group->operation, group->ways[i].name, results[i].median,
           results[i].median / results[0].median);
    if (group->ways[i].most > 0) printf(", \"most\": %.2f", group->ways[i].most);
    printf("}");
    any = true;
}

/* False: a ratio exceeds its limit. */
static bool run_group(const struct bench_group *group, bool json)
{
    struct result results[BENCH_WAYS];
    bool good = true;

    if (group->set_up != NULL) group->set_up();
    group->check();
    unsigned ways = measure(group, results);
    for (unsigned i = 0; i < ways; i++) {
        double most = group->ways[i].most;
        (json ? print_json : print_text)(group, i, results);
        if (most > 0 && results[i].median > most * results[0].median) good = false;
    }
    if (group->tear_down != NULL) group->tear_down();
    return good;
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    bool good = true;
    const char *only = argc > 1 + json ? argv[1 + json] : "";

    if (argc > 2 + json || (!json && strncmp(only, "-", 1) == 0)) {
        fprintf(stderr, "usage: bench-micro [--json] [GROUP]\n");
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (strstr(groups[i]->name, only) != NULL) good = run_group(groups[i], json) && good;
    }
    if (json) printf("\n]\n");
    return good ? EXIT_SUCCESS : 2;
}
