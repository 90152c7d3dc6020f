/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_SELECTION_H
#define SW_CLIENT_SELECTION_H

/* Which of several servers that are connected to at once becomes the one. Pure. */

#include <stdbool.h>
#include <stddef.h>

enum sw_contender { SW_CONTENDER_TRYING, SW_CONTENDER_ONLINE, SW_CONTENDER_FAILED };

#define SW_SELECT_WAIT (-1) /**< not decided yet */
#define SW_SELECT_NONE (-2) /**< all have failed */

/**
 * The index of the chosen one, or one of the above. The order is that of the list, the preferred
 * one first; time_is_up: the others need not wait for it any longer.
 */
int sw_select(const enum sw_contender *contenders, size_t n, bool time_is_up);

#endif
