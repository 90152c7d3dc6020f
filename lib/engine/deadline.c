/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A binary heap that knows where each entry is, so that moving one costs O(log n): a connection's
 * deadline moves with nearly every datagram. Room is made when an entry joins; nothing later
 * allocates.
 */

#include "lib/engine/deadline.h"

#include <stdlib.h>

static void place(struct sw_deadlines *d, struct sw_deadline *entry, size_t index)
{
    d->heap[index] = entry;
    entry->index = index;
}

static void sift_up(struct sw_deadlines *d, struct sw_deadline *entry, size_t index)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (d->heap[parent]->at <= entry->at) break;
        place(d, d->heap[parent], index);
        index = parent;
    }
    place(d, entry, index);
}

static void sift_down(struct sw_deadlines *d, struct sw_deadline *entry, size_t index)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= d->count) break;
        if (child + 1 < d->count && d->heap[child + 1]->at < d->heap[child]->at) child++;
        if (entry->at <= d->heap[child]->at) break;
        place(d, d->heap[child], index);
        index = child;
    }
    place(d, entry, index);
}

int sw_deadlines_add(struct sw_deadlines *d, struct sw_deadline *entry)
{
    if (d->count == d->room) {
        size_t room = d->room > 0 ? 2 * d->room : 16;
        struct sw_deadline **heap = realloc(d->heap, room * sizeof *heap);
        if (heap == NULL) return SW_ENOMEM;
        d->heap = heap;
        d->room = room;
    }
    entry->at = SW_NEVER;
    place(d, entry, d->count++);
    return 0;
}

void sw_deadlines_remove(struct sw_deadlines *d, struct sw_deadline *entry)
{
    size_t index = entry->index;
    struct sw_deadline *last = d->heap[--d->count];

    if (last == entry) return;
    place(d, last, index);
    sw_deadlines_set(d, last, last->at);
}

void sw_deadlines_set(struct sw_deadlines *d, struct sw_deadline *entry, sw_time at)
{
    entry->at = at;
    if (entry->index > 0 && d->heap[(entry->index - 1) / 2]->at > at)
        sift_up(d, entry, entry->index);
    else
        sift_down(d, entry, entry->index);
}

struct sw_deadline *sw_deadlines_first(const struct sw_deadlines *d)
{
    return d->count > 0 ? d->heap[0] : NULL;
}

void sw_deadlines_release(struct sw_deadlines *d)
{
    free(d->heap);
    *d = (struct sw_deadlines){0};
}
