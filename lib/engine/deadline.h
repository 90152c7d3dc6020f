/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_DEADLINE_H
#define SW_ENGINE_DEADLINE_H

/*
 * The deadlines of many connections, earliest first: a binary heap of pointers to entries that live
 * in their owners.
 */

#include <slipway/error.h>
#include <slipway/types.h>

struct sw_deadline {
    sw_time at;
    size_t index; /**< place in the heap */
};

struct sw_deadlines {
    struct sw_deadline **heap;
    size_t count;
    size_t room;
};

/** Enters an entry that is in no heap, at SW_NEVER. SW_ENOMEM when the heap cannot grow. */
int sw_deadlines_add(struct sw_deadlines *deadlines, struct sw_deadline *entry);
void sw_deadlines_remove(struct sw_deadlines *deadlines, struct sw_deadline *entry);

/** Moves an entry to another time. Cannot fail. */
void sw_deadlines_set(struct sw_deadlines *deadlines, struct sw_deadline *entry, sw_time at);

/** The earliest entry, or NULL. */
struct sw_deadline *sw_deadlines_first(const struct sw_deadlines *deadlines);

/** Frees the heap, not the entries. */
void sw_deadlines_release(struct sw_deadlines *deadlines);

#endif
