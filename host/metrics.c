/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The registry walks its sections each time somebody asks and adds up what has the same full name.
 * Asking is rare and counting is not, so everything that costs something is here. Counters belong
 * to the threads that count; they are read one by one, each whole, without stopping anybody.
 */
#include "host/metrics.h"

#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FULL_NAME_MAX 192

struct section {
    const struct sw_metric_def *table;
    size_t n;
    const void *counters;
};

struct sw_metrics {
    struct section *sections;
    size_t n;
};

struct sw_metrics *sw_metrics_new(void)
{
    return calloc(1, sizeof(struct sw_metrics));
}

void sw_metrics_free(struct sw_metrics *metrics)
{
    if (metrics == NULL) return;
    free(metrics->sections);
    free(metrics);
}

int sw_metrics_add(struct sw_metrics *metrics, const struct sw_metric_def *table, size_t n,
                   const void *counters)
{
    struct section *grown = realloc(metrics->sections, (metrics->n + 1) * sizeof *grown);

    if (grown == NULL) return SW_ENOMEM;
    metrics->sections = grown;
    grown[metrics->n++] = (struct section){table, n, counters};
    return 0;
}

void sw_metrics_remove(struct sw_metrics *metrics, const void *counters)
{
    size_t kept = 0;

    for (size_t i = 0; i < metrics->n; i++) {
        if (metrics->sections[i].counters != counters)
            metrics->sections[kept++] = metrics->sections[i];
    }
    metrics->n = kept;
}

static void full_name(const struct sw_metric_def *def, char name[FULL_NAME_MAX])
{
    if (def->label_key == NULL)
        snprintf(name, FULL_NAME_MAX, "%s", def->name);
    else
        snprintf(name, FULL_NAME_MAX, "%s{%s=\"%s\"}", def->name, def->label_key, def->label_value);
}

static uint64_t value_of(const struct section *section, size_t i)
{
    const struct sw_metric_def *def = &section->table[i];
    const void *field = (const char *)section->counters + def->offset;
    uint64_t sum = 0;
    for (unsigned k = 0; k <= def->before; k++)
        sum += __atomic_load_n((const uint64_t *)field - k, __ATOMIC_RELAXED);
    return sum;
}

uint64_t sw_metrics_get(const struct sw_metrics *metrics, const char *name)
{
    char candidate[FULL_NAME_MAX];
    uint64_t sum = 0;

    for (size_t s = 0; s < metrics->n; s++) {
        for (size_t i = 0; i < metrics->sections[s].n; i++) {
            full_name(&metrics->sections[s].table[i], candidate);
            if (strcmp(candidate, name) == 0) sum += value_of(&metrics->sections[s], i);
        }
    }
    return sum;
}

/* JSON integers are signed: a counter that got past that stays at the end. */
static json_int_t clamp(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (json_int_t)value;
}

static int add(json_t *sums, const char *name, uint64_t value)
{
    uint64_t sum = (uint64_t)json_integer_value(json_object_get(sums, name));
    return json_object_set_new(sums, name, json_integer(clamp(sum + value)));
}

static int add_value(json_t *sums, const struct section *section, size_t i)
{
    char name[FULL_NAME_MAX];

    full_name(&section->table[i], name);
    return add(sums, name, value_of(section, i));
}

int sw_metrics_json_add(json_t *sums, const json_t *more)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)more); /* iterating needs it mutable */
    int rc = copy == NULL ? -1 : 0;
    const char *name;
    json_t *value;

    json_object_foreach(copy, name, value)
    {
        if (rc == 0) rc = add(sums, name, (uint64_t)json_integer_value(value));
    }
    json_decref(copy);
    return rc == 0 ? 0 : SW_ENOMEM;
}

/* The same object with its keys in order: jansson prints them as they were put in. */
static json_t *sorted(const json_t *object)
{
    json_t *copy = NULL;
    char *text = json_dumps(object, JSON_SORT_KEYS | JSON_COMPACT);

    if (text != NULL) copy = json_loads(text, 0, NULL);
    free(text);
    return copy;
}

json_t *sw_metrics_json(const struct sw_metrics *metrics)
{
    json_t *sums = json_object();
    int rc = sums == NULL ? -1 : 0;

    for (size_t s = 0; s < metrics->n && rc == 0; s++) {
        for (size_t i = 0; i < metrics->sections[s].n && rc == 0; i++)
            rc = add_value(sums, &metrics->sections[s], i);
    }
    json_t *result = rc == 0 ? sorted(sums) : NULL;
    json_decref(sums);
    return result;
}
