/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_METRICS_H
#define SW_HOST_METRICS_H

/*
 * The counter registry. Counters are plain uint64_t fields of plain structs, incremented by the
 * thread that owns the struct: counting costs one add and takes no lock. A table of definitions,
 * one per struct type, gives every field its one name, label and meaning; the registry is a list of
 * (table, struct) sections and only reads.
 *
 *     struct tun_counters { uint64_t reads, superpackets; };
 *
 *     static const struct sw_metric_def tun_metrics[] = {
 *         SW_METRIC(struct tun_counters, reads, "tun_reads", "Packets and superpackets read"),
 *         ...
 *     };
 *     sw_metrics_add(registry, tun_metrics, SW_METRIC_COUNT(tun_metrics), &worker->tun);
 *
 * Several sections may use the same table (one per worker, TUN queue or socket): equal names with
 * equal labels are summed.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum sw_metric_kind {
    SW_METRIC_COUNTER, /**< only grows */
    SW_METRIC_GAUGE    /**< the present value of something */
};

struct sw_metric_def {
    const char *name;        /**< lower case with underscores, without unit prefix */
    const char *label_key;   /**< NULL: no label */
    const char *label_value; /**< NULL exactly if label_key is */
    const char *help;        /**< one sentence, no full stop */
    size_t offset;           /**< of a uint64_t in the section's struct */
    enum sw_metric_kind kind;
    unsigned before; /**< so many fields just before it are added: buckets of a histogram */
};

#define SW_METRIC(type, field, metric_name, sentence)                                              \
    {                                                                                              \
        .name = metric_name, .help = sentence, .offset = offsetof(type, field),                    \
        .kind = SW_METRIC_COUNTER                                                                  \
    }
#define SW_METRIC_LABELLED(type, field, metric_name, key, value, sentence)                         \
    {                                                                                              \
        .name = metric_name, .label_key = key, .label_value = value, .help = sentence,             \
        .offset = offsetof(type, field), .kind = SW_METRIC_COUNTER                                 \
    }
#define SW_METRIC_NOW(type, field, metric_name, sentence)                                          \
    {                                                                                              \
        .name = metric_name, .help = sentence, .offset = offsetof(type, field),                    \
        .kind = SW_METRIC_GAUGE                                                                    \
    }
#define SW_METRIC_BUCKET(type, field, metric_name, sentence, index, limit)                         \
    {                                                                                              \
        .name = metric_name "_bucket", .label_key = "le", .label_value = limit, .help = sentence,  \
        .offset = offsetof(type, field.buckets) + (index) * sizeof(uint64_t),                      \
        .kind = SW_METRIC_COUNTER, .before = (index)                                               \
    }
/** The rows of a struct sw_histogram (host/histogram.h), each with all that is below it. */
#define SW_METRIC_HISTOGRAM(type, field, metric_name, sentence)                                    \
    SW_METRIC_BUCKET(type, field, metric_name, sentence, 0, "1"),                                  \
        SW_METRIC_BUCKET(type, field, metric_name, sentence, 1, "2"),                              \
        SW_METRIC_BUCKET(type, field, metric_name, sentence, 2, "4"),                              \
        SW_METRIC_BUCKET(type, field, metric_name, sentence, 3, "8"),                              \
        SW_METRIC_BUCKET(type, field, metric_name, sentence, 4, "16"),                             \
        SW_METRIC_BUCKET(type, field, metric_name, sentence, 5, "32"),                             \
        SW_METRIC_BUCKET(type, field, metric_name, sentence, 6, "64"),                             \
        SW_METRIC_BUCKET(type, field, metric_name, sentence, 7, "+Inf")
#define SW_METRIC_COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct sw_metrics;

/** An empty registry, NULL without memory. */
struct sw_metrics *sw_metrics_new(void);
void sw_metrics_free(struct sw_metrics *metrics);

/**
 * Adds a section. The table must stay valid as long as the registry; counters until
 * sw_metrics_remove(). Returns 0 or SW_ENOMEM.
 */
int sw_metrics_add(struct sw_metrics *metrics, const struct sw_metric_def *table, size_t n,
                   const void *counters);

/** Removes every section whose struct this is, before its memory goes away. */
void sw_metrics_remove(struct sw_metrics *metrics, const void *counters);

/**
 * Fresh values as one JSON object, keys sorted: {"conn_client_closed": 3,
 * "conn_created{lightway_protocol_version=\"1.3\"}": 5}. NULL without memory.
 */
json_t *sw_metrics_json(const struct sw_metrics *metrics);

/** Adds the values of another such object. 0 or SW_ENOMEM. */
int sw_metrics_json_add(json_t *sums, const json_t *more);

/** The summed value of one metric by its full name as in sw_metrics_json(); 0 if there is none. */
uint64_t sw_metrics_get(const struct sw_metrics *metrics, const char *full_name);

#endif
