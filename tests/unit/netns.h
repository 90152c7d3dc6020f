/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_NETNS_H
#define SW_TESTS_NETNS_H

/* A network namespace of the test's own, so that devices and routes of the machine stay untouched.
 */

#include <sched.h>
#include <stdbool.h>

/** Moves the process into a new network namespace. False: not allowed here. */
static inline bool enter_own_network(void)
{
    return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

/** For a test that needs enter_own_network(). */
#define NEED_OWN_NETWORK(entered)                                                                  \
    do {                                                                                           \
        if (!(entered)) {                                                                          \
            print_message("no network namespace may be made here\n");                              \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

#endif
