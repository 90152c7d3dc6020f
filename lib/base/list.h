/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_BASE_LIST_H
#define SW_BASE_LIST_H

/*
 * A doubly linked list whose links live inside the things listed, so that joining and leaving
 * allocate nothing and a thing can leave without knowing which list it is in. The list itself is
 * one more link in the ring; an unlinked link points to itself.
 */

#include <stdbool.h>
#include <stddef.h>

/** The struct of the given type that pointer, a pointer to its member, lies in. */
#define SW_CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/** The same for a pointer to const. */
#define SW_CONTAINER_OF_CONST(pointer, type, member)                                               \
    ((const type *)((const char *)(pointer)-offsetof(type, member)))

/** A list, or a link in one. Neither may move in memory while linked. */
struct sw_list {
    struct sw_list *prev;
    struct sw_list *next;
};

/** An empty list, or a link that is in no list. Must come before any other call. */
static inline void sw_list_init(struct sw_list *list)
{
    list->prev = list;
    list->next = list;
}

/** For a list: nothing in it. For a link: it is in no list. */
static inline bool sw_list_empty(const struct sw_list *list)
{
    return list->next == list;
}

/** Makes link, which is in no list, the first. */
static inline void sw_list_prepend(struct sw_list *list, struct sw_list *link)
{
    link->prev = list;
    link->next = list->next;
    list->next->prev = link;
    list->next = link;
}

/** Makes link, which is in no list, the last. */
static inline void sw_list_append(struct sw_list *list, struct sw_list *link)
{
    sw_list_prepend(list->prev, link);
}

/** Takes link out of whatever list it is in; does nothing if it is in none. */
static inline void sw_list_remove(struct sw_list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    sw_list_init(link);
}

/** The first or last thing of a list that is not empty. */
#define SW_LIST_FIRST(list, type, member) SW_CONTAINER_OF((list)->next, type, member)
#define SW_LIST_LAST(list, type, member)  SW_CONTAINER_OF((list)->prev, type, member)

#define SW_LIST_PASTE_(a, b) a##b
#define SW_LIST_NAME_(a, b)  SW_LIST_PASTE_(a, b)
#define SW_LIST_LINK_        SW_LIST_NAME_(sw_list_link_, __LINE__)
#define SW_LIST_NEXT_        SW_LIST_NAME_(sw_list_next_, __LINE__)

/**
 * Runs the statement behind it with item, a pointer declared before, at each thing of the list,
 * first to last. The list must not change meanwhile. After the loop item is only meaningful if it
 * was left with break.
 */
#define SW_LIST_FOREACH(item, list, member)                                                        \
    for (struct sw_list *SW_LIST_LINK_ = (list)->next;                                             \
         SW_LIST_LINK_ != (list) &&                                                                \
         ((item) = SW_CONTAINER_OF(SW_LIST_LINK_, __typeof__(*(item)), member), true);             \
         SW_LIST_LINK_ = SW_LIST_LINK_->next)

/** The same, but the statement may remove (and free) item itself. */
#define SW_LIST_FOREACH_SAFE(item, list, member)                                                   \
    for (struct sw_list *SW_LIST_LINK_ = (list)->next, *SW_LIST_NEXT_ = SW_LIST_LINK_->next;       \
         SW_LIST_LINK_ != (list) &&                                                                \
         ((item) = SW_CONTAINER_OF(SW_LIST_LINK_, __typeof__(*(item)), member), true);             \
         SW_LIST_LINK_ = SW_LIST_NEXT_, SW_LIST_NEXT_ = SW_LIST_LINK_->next)

#endif
