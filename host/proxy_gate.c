/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A header may come in pieces, and the TLS bytes behind it belong to somebody else. So its bytes
 * are looked at before they are taken: as long as the header is not complete all that is there
 * belongs to it, and once it is, its length is known and no byte more is read. TLVs are thrown away
 * as they come, whatever their length.
 *
 * Somebody who never sends a header costs a descriptor and a small struct, for a limited time, and
 * only so many of them at once (docs/protocol/wire.md §5.1).
 */

#include "host/proxy_gate.h"

#include <errno.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/address.h"
#include "host/proxy_header.h"
#include "lib/base/list.h"

#define SW_LOG_TARGET "proxy"
#include "host/log.h"

struct sw_proxy_gate {
    uv_loop_t *loop;
    struct sw_proxy_gate_config config;
    struct sw_list waiting;
    unsigned count;
};

struct waiting {
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned handles; /* still to be closed */
    struct sw_list link;
    struct sw_proxy_gate *gate;
    int fd; /* -1: handed over */
    struct sw_path path;
    uint8_t bytes[SW_PROXY_HEADER_DECIDES];
    size_t len;
    size_t rest; /* of a header that says all it has to say */
};

struct sw_proxy_gate *sw_proxy_gate_new(uv_loop_t *loop, const struct sw_proxy_gate_config *config)
{
    struct sw_proxy_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL) return NULL;
    gate->loop = loop;
    gate->config = *config;
    sw_list_init(&gate->waiting);
    return gate;
}

/* --- the end of waiting ------------------------------------------------------------------------*/

static void on_handle_closed(uv_handle_t *handle)
{
    struct waiting *w = handle->data;
    if (--w->handles > 0) return;
    if (w->fd >= 0) close(w->fd);
    free(w);
}

static void leave(struct waiting *w)
{
    sw_list_remove(&w->link);
    w->gate->count--;
    uv_close((uv_handle_t *)&w->poll, on_handle_closed);
    uv_close((uv_handle_t *)&w->timer, on_handle_closed);
}

static void count_failure(struct sw_proxy_gate *gate, const struct sw_path *path, const char *why)
{
    char peer[SW_ADDRESS_TEXT];
    gate->config.counters->proxy_header_failed++;
    sw_log_rate(SW_LOG_DEBUG, "%s: no PROXY protocol header: %s",
                sw_address_text(&path->remote, peer), why);
}

static void refuse(struct waiting *w, const char *why)
{
    count_failure(w->gate, &w->path, why);
    leave(w);
}

static void pass(struct waiting *w)
{
    struct sw_proxy_gate *gate = w->gate;
    struct sw_path path = w->path;
    int fd = w->fd;
    uv_poll_stop(&w->poll); /* libuv must have let go of the descriptor before it is used again */
    w->fd = -1;
    leave(w);
    gate->config.passed(gate->config.user, fd, &path);
}

void sw_proxy_gate_free(struct sw_proxy_gate *gate)
{
    struct waiting *w;
    if (gate == NULL) return;
    SW_LIST_FOREACH_SAFE (w, &gate->waiting, link)
        leave(w);
    free(gate);
}

/* --- reading -----------------------------------------------------------------------------------*/

/* Bytes of the header taken or looked at; 0: not now, or refused. */
static size_t receive(struct waiting *w, uint8_t *to, size_t len, int flags)
{
    ssize_t n = w->gate->config.sys->recv(w->fd, to, len, MSG_DONTWAIT | flags);
    if (n > 0) return (size_t)n;
    if (n == 0)
        refuse(w, "the connection ended");
    else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        refuse(w, strerror(errno));
    return 0;
}

/* Reads on behind what is known; true once the header has ended. */
static bool skip_rest(struct waiting *w)
{
    uint8_t thrown_away[4096];
    while (w->rest > 0) {
        size_t n =
            receive(w, thrown_away, w->rest < sizeof thrown_away ? w->rest : sizeof thrown_away, 0);
        if (n == 0) return false;
        w->rest -= n;
    }
    return true;
}

/* True once the header says all it has to say and w->rest of it is left in the socket. */
static bool read_header(struct waiting *w)
{
    struct sw_proxy_header header;
    size_t n = receive(w, w->bytes + w->len, sizeof w->bytes - w->len, MSG_PEEK);
    if (n == 0) return false;
    int error = sw_proxy_header_decode(sw_cursor(w->bytes, w->len + n), &header);
    if (error == SW_ESHORT) {
        w->len += receive(w, w->bytes + w->len, n, 0);
        return false;
    }
    if (error < 0) {
        refuse(w, sw_strerror(error));
        return false;
    }
    if (header.source.family != 0) w->path.remote = header.source;
    w->rest = header.len - w->len;
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct waiting *w = poll->data;
    if (status < 0) {
        refuse(w, uv_strerror(status));
        return;
    }
    if ((w->rest > 0 || read_header(w)) && skip_rest(w)) pass(w);
}

static void on_timeout(uv_timer_t *timer)
{
    refuse(timer->data, "it did not come in time");
}

void sw_proxy_gate_accepted(void *user, int fd, const struct sw_path *path)
{
    struct sw_proxy_gate *gate = user;
    struct waiting *w = gate->count < gate->config.limit ? calloc(1, sizeof *w) : NULL;
    if (w == NULL || uv_poll_init(gate->loop, &w->poll, fd) < 0) {
        count_failure(gate, path, "too many connections wait for one");
        close(fd);
        free(w);
        return;
    }
    uv_timer_init(gate->loop, &w->timer);
    w->poll.data = w->timer.data = w;
    w->handles = 2;
    w->gate = gate;
    w->fd = fd;
    w->path = *path;
    sw_list_append(&gate->waiting, &w->link);
    gate->count++;
    uv_poll_start(&w->poll, UV_READABLE, on_readable);
    uv_timer_start(&w->timer, on_timeout, gate->config.timeout_ms, 0);
}
