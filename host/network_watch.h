/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_NETWORK_WATCH_H
#define SW_HOST_NETWORK_WATCH_H

/* Word from the kernel that addresses or routes of the host changed. */

#include <uv.h>

struct sw_network_watch;

/** Called on the loop, once for the changes of a moment. */
typedef void (*sw_network_handler)(void *user);

/** NULL with errno set. */
struct sw_network_watch *sw_network_watch_open(uv_loop_t *loop, sw_network_handler handler,
                                               void *user);

/** No call of handler follows. The loop has to run once more; NULL is fine. */
void sw_network_watch_close(struct sw_network_watch *watch);

#endif
