/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_TCP_H
#define SW_HOST_TCP_H

/*
 * TCP: a listener, connecting, and the streams that carry connections of an engine.
 */

#include <slipway/engine.h>
#include <uv.h>

#include "host/reuseport.h"
#include "host/sys.h"

struct sw_tcp_counters {
    uint64_t accepted, accept_failed;
    uint64_t proxy_header_failed; /**< PROXY protocol headers missing or malformed */
    uint64_t recv_calls, recv_bytes;
    uint64_t send_calls, send_bytes, send_blocked;
};

/* --- streams -----------------------------------------------------------------------------------*/

/** The streams of one worker. */
struct sw_streams;

/** One TCP connection of one engine connection. */
struct sw_stream;

/**
 * after is called at the end of each wake-up that read from a stream or wrote to it; there the
 * owner sends what the engine has produced. NULL: out of memory.
 */
struct sw_streams *sw_streams_new(uv_loop_t *loop, const struct sw_sys *sys,
                                  void (*after)(void *user), void *user);

/** All streams must be finished and the loop have run their closing callbacks. */
void sw_streams_free(struct sw_streams *streams);
struct sw_tcp_counters *sw_streams_counters(struct sw_streams *streams);

/** Takes over fd, a connected non-blocking socket, and starts reading for conn. NULL: fd is closed.
 */
struct sw_stream *sw_stream_new(struct sw_streams *streams, int fd, struct sw_conn *conn);

/** conn has bytes to send (SW_EVENT_WRITABLE): the next sw_streams_flush() writes them. */
void sw_stream_mark(struct sw_stream *stream);

/** Writes what marked streams have to say, several records per call, until their sockets are full.
 */
void sw_streams_flush(struct sw_streams *streams);

/**
 * conn closes (to be called in its SW_EVENT_CLOSED): what is left to say is written as far as the
 * socket takes it, then the socket is closed.
 */
void sw_stream_finish(struct sw_stream *stream);

/* --- making connections ------------------------------------------------------------------------*/

struct sw_listener;

/** fd is connected, non-blocking and now the callee's; path->local is the address it came to. */
typedef void (*sw_listener_accepted)(void *user, int fd, const struct sw_path *path);

struct sw_listener_config {
    struct sw_address address;
    enum sw_reuseport place; /**< among the listeners of one address */
    const struct sw_sys *sys;
    struct sw_tcp_counters *counters;
    sw_listener_accepted accepted;
    void *user;
};

/** Listens on an address. 0, or a negative SW_E… with one sentence in why. */
int sw_listener_open(uv_loop_t *loop, const struct sw_listener_config *config,
                     struct sw_listener **listener, char *why, size_t why_size);

/** Memory is freed when the loop has run its closing callbacks. NULL is allowed. */
void sw_listener_close(struct sw_listener *listener);

struct sw_dial;

/** fd is the connected socket, now the callee's, or -1 and error an errno value. */
typedef void (*sw_dial_done)(void *user, int fd, int error);

/**
 * Connects to address; mark 0: none. done is called once, later, unless the dial is cancelled
 * before; it then is gone. NULL with errno if it cannot even be started.
 */
struct sw_dial *sw_dial_start(uv_loop_t *loop, const struct sw_address *address, uint32_t mark,
                              uint64_t timeout_ms, sw_dial_done done, void *user);
void sw_dial_cancel(struct sw_dial *dial);

#endif
