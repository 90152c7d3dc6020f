/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_CONTROL_H
#define SW_HOST_CONTROL_H

/*
 * The control socket: a Unix stream socket, mode 0600 from its first moment, on which a running
 * program answers questions. A client sends one line, gets the answer and end of file:
 *
 *     status          what the program is doing, for people
 *     metrics         every counter, one "name value" per line
 *     reload          reads the configuration again; says what that came to
 *     status json     the same as one JSON document
 *     metrics json
 *     reload json
 *
 * Anything else gets one line that starts with "error: ". A client costs the loop a bounded amount
 * of memory and time: at most SW_CONTROL_CLIENTS at once, requests up to SW_CONTROL_REQUEST bytes,
 * SW_CONTROL_TIMEOUT for the whole exchange; nothing ever blocks.
 */

#include <jansson.h>
#include <stddef.h>
#include <uv.h>

#define SW_CONTROL_CLIENTS 16   /**< connections at once; further ones are closed */
#define SW_CONTROL_REQUEST 256  /**< longest request line */
#define SW_CONTROL_TIMEOUT 5000 /**< milliseconds from accept to the last byte of the answer */

/**
 * Where the answers come from. Each call returns a new JSON object (the caller frees it) or NULL.
 * One with the text "error" in it is answered as an error. NULL: not available.
 */
struct sw_control_ops {
    void *user;
    json_t *(*status)(void *user);  /**< shape: sw_control_render_status() */
    json_t *(*metrics)(void *user); /**< shape: sw_metrics_json() */
    json_t *(*reload)(void *user);  /**< shape: sw_reload() */
};

struct sw_control;

/**
 * Listens on path and answers on loop. A missing last directory of path is made (0755); the socket
 * of a process that has ended is replaced. On failure a negative SW_E… comes back and why holds one
 * sentence that names the path: somebody listens there already, something that is no socket is in
 * the way, no permission, path too long.
 */
int sw_control_open(uv_loop_t *loop, const char *path, const struct sw_control_ops *ops,
                    struct sw_control **out, char *why, size_t why_size);

/** Removes the socket file, ends all exchanges. Memory is freed when the loop has run its closing
 * callbacks. NULL is allowed. */
void sw_control_close(struct sw_control *control);

/**
 * The path option control_socket stands for: each "%i" becomes the name of the TUN device. New
 * string, NULL without memory; NULL or "" for pattern (control socket off) gives NULL too.
 */
char *sw_control_path(const char *pattern, const char *tun_name);

/** The answer to one request line (no line end) as the socket would give it; a new string. */
char *sw_control_answer(const struct sw_control_ops *ops, const char *request);

/**
 * Text for people from any status object: "key: value" lines with aligned values, underscores of
 * keys shown as spaces; a nested object is a block of its own under its key; an array of objects is
 * a table with one row each; an array of plain values is a comma list. New string, NULL without
 * memory.
 */
char *sw_control_render_status(const json_t *status);

/** "name value" lines in the order of the names. New string, NULL without memory. */
char *sw_control_render_metrics(const json_t *metrics);

#endif
