/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_PROXY_GATE_H
#define SW_HOST_PROXY_GATE_H

/*
 * Where accepted TCP connections wait until their PROXY protocol header is there. What follows the
 * header stays in the socket.
 */

#include "host/tcp.h"

struct sw_proxy_gate;

struct sw_proxy_gate_config {
    const struct sw_sys *sys;
    struct sw_tcp_counters *counters;
    unsigned limit;              /**< most that wait at once; what comes on top is closed */
    uint64_t timeout_ms;         /**< for a header, from accepting on */
    sw_listener_accepted passed; /**< with what the header says in path->remote */
    void *user;
};

/** NULL: out of memory. */
struct sw_proxy_gate *sw_proxy_gate_new(uv_loop_t *loop, const struct sw_proxy_gate_config *config);

/** Closes what waits; the loop has to run until libuv has let go of it. NULL is allowed. */
void sw_proxy_gate_free(struct sw_proxy_gate *gate);

/**
 * An sw_listener_accepted; user is the gate. A connection without a proper header is closed and
 * counted.
 */
void sw_proxy_gate_accepted(void *user, int fd, const struct sw_path *path);

#endif
