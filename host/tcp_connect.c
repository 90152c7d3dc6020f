/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * How TCP connections come to be: accepted by a server, dialled by a client (host/tcp.h).
 *
 * When the process is out of descriptors, accept(2) fails while the listener stays readable: a loop
 * that goes on would spin. So it pauses for a moment, and the clients wait in the backlog.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/address.h"
#include "host/tcp.h"

#define SW_LOG_TARGET "tcp"
#include "host/log.h"

#define BACKLOG          1024
#define ACCEPTS_PER_CALL 64
#define ACCEPT_PAUSE_MS  100

struct sw_listener {
    uv_poll_t poll;
    uv_timer_t pause;
    unsigned handles; /* still to be closed */
    int fd;
    struct sw_listener_config config;
};

static void set_no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void on_incoming(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct sw_listener *listener = timer->data;
    uv_poll_start(&listener->poll, UV_READABLE, on_incoming);
}

static void hand_over(struct sw_listener *listener, int fd, const struct sockaddr_storage *peer)
{
    struct sockaddr_storage local;
    socklen_t len = sizeof local;
    struct sw_path path;
    memset(&path, 0, sizeof path);
    if (sw_address_from_sockaddr(&path.remote, (const struct sockaddr *)peer) < 0 ||
        getsockname(fd, (struct sockaddr *)&local, &len) < 0) {
        listener->config.counters->accept_failed++;
        close(fd);
        return;
    }
    sw_address_from_sockaddr(&path.local, (struct sockaddr *)&local);
    set_no_delay(fd);
    listener->config.counters->accepted++;
    listener->config.accepted(listener->config.user, fd, &path);
}

static void on_incoming(uv_poll_t *poll, int status, int events)
{
    struct sw_listener *listener = poll->data;
    for (int i = 0; i < ACCEPTS_PER_CALL; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        int fd = listener->config.sys->accept4(listener->fd, (struct sockaddr *)&peer, &len,
                                               SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            hand_over(listener, fd, &peer);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) return;
        listener->config.counters->accept_failed++;
        sw_log_rate(SW_LOG_WARN, "accepting a connection: %s", strerror(errno));
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            uv_poll_stop(&listener->poll);
            uv_timer_start(&listener->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
            return;
        }
    }
}

static int bind_and_listen(int fd, const struct sw_listener_config *config)
{
    struct sockaddr_storage local;
    const struct sw_address *address = &config->address;
    socklen_t len = sw_address_to_sockaddr(address, sw_address_family(address), &local);
    if (sw_reuseport_before_bind(fd, config->place, config->sys) < 0) return -1;
    if (bind(fd, (struct sockaddr *)&local, len) < 0) return -1;
    if (sw_reuseport_after_bind(fd, config->place, config->sys) < 0) return -1;
    return listen(fd, BACKLOG);
}

static int open_socket(const struct sw_listener_config *config, char *why, size_t why_size)
{
    const struct sw_address *address = &config->address;
    char text[SW_ADDRESS_TEXT];
    int on = 1, off = 0;
    int fd = socket(sw_address_family(address), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (address->family == 6 && sw_address_is_any(address))
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        if (bind_and_listen(fd, config) == 0) return fd;
    }
    snprintf(why, why_size, "TCP socket: listen on %s: %s", sw_address_text(address, text),
             strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

int sw_listener_open(uv_loop_t *loop, const struct sw_listener_config *config,
                     struct sw_listener **listener, char *why, size_t why_size)
{
    int fd = open_socket(config, why, why_size);
    if (fd < 0) return SW_EINVAL;
    struct sw_listener *made = calloc(1, sizeof *made);
    if (made == NULL || uv_poll_init(loop, &made->poll, fd) < 0) {
        snprintf(why, why_size, "TCP socket: out of memory");
        close(fd);
        free(made);
        return SW_ENOMEM;
    }
    uv_timer_init(loop, &made->pause);
    made->poll.data = made->pause.data = made;
    made->handles = 2;
    made->fd = fd;
    made->config = *config;
    uv_poll_start(&made->poll, UV_READABLE, on_incoming);
    *listener = made;
    return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct sw_listener *listener = handle->data;
    if (--listener->handles > 0) return;
    close(listener->fd);
    free(listener);
}

void sw_listener_close(struct sw_listener *listener)
{
    if (listener == NULL) return;
    uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
    uv_close((uv_handle_t *)&listener->pause, on_listener_closed);
}

/* --- dialling ----------------------------------------------------------------------------------*/

struct sw_dial {
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned handles;
    int fd; /* -1: handed over */
    sw_dial_done done;
    void *user;
};

static void on_dial_closed(uv_handle_t *handle)
{
    struct sw_dial *dial = handle->data;
    if (--dial->handles > 0) return;
    if (dial->fd >= 0) close(dial->fd);
    free(dial);
}

void sw_dial_cancel(struct sw_dial *dial)
{
    uv_close((uv_handle_t *)&dial->poll, on_dial_closed);
    uv_close((uv_handle_t *)&dial->timer, on_dial_closed);
}

static void dial_end(struct sw_dial *dial, int error)
{
    int fd = -1;
    uv_poll_stop(
        &dial->poll); /* libuv must have let go of the descriptor before it is used again */
    if (error == 0) {
        fd = dial->fd;
        dial->fd = -1;
        set_no_delay(fd);
    }
    sw_dial_done done = dial->done;
    void *user = dial->user;
    sw_dial_cancel(dial);
    done(user, fd, error);
}

static void on_dial_ready(uv_poll_t *poll, int status, int events)
{
    struct sw_dial *dial = poll->data;
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) error = errno;
    dial_end(dial, error);
}

static void on_dial_timeout(uv_timer_t *timer)
{
    dial_end(timer->data, ETIMEDOUT);
}

struct sw_dial *sw_dial_start(uv_loop_t *loop, const struct sw_address *address, uint32_t mark,
                              uint64_t timeout_ms, sw_dial_done done, void *user)
{
    struct sockaddr_storage peer;
    int family = sw_address_family(address);
    socklen_t len = sw_address_to_sockaddr(address, family, &peer);
    struct sw_dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL) return NULL;
    dial->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0) goto fail;
    if (mark != 0 && setsockopt(dial->fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) < 0)
        sw_log_warn("the TCP socket is not marked: %s", strerror(errno));
    if (connect(dial->fd, (struct sockaddr *)&peer, len) < 0 && errno != EINPROGRESS) goto fail;
    if (uv_poll_init(loop, &dial->poll, dial->fd) < 0) {
        errno = ENOMEM;
        goto fail;
    }
    uv_timer_init(loop, &dial->timer);
    dial->poll.data = dial->timer.data = dial;
    dial->handles = 2;
    dial->done = done;
    dial->user = user;
    uv_poll_start(&dial->poll, UV_WRITABLE, on_dial_ready);
    uv_timer_start(&dial->timer, on_dial_timeout, timeout_ms, 0);
    return dial;

fail:;
    int error = errno;
    if (dial->fd >= 0) close(dial->fd);
    free(dial);
    errno = error;
    return NULL;
}
