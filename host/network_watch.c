/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The kernel's route netlink groups for addresses and routes. What a message says is not read:
 * whoever is told looks at the state that matters to it, which also covers messages that the kernel
 * had to drop (ENOBUFS). One change of the network is many messages, and in between the host may
 * have no way out at all; so the handler is called when it has been quiet for a moment, and in a
 * long row of changes every so often.
 */

#include "host/network_watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIET_MS   50
#define AT_MOST_MS 500

struct sw_network_watch {
    uv_poll_t poll;
    uv_timer_t timer;
    int fd;
    unsigned open_handles;
    bool pending;   /* something changed … */
    uint64_t since; /* … first at this time of the loop */
    sw_network_handler handler;
    void *user;
};

static void on_settled(uv_timer_t *timer)
{
    struct sw_network_watch *watch = timer->data;
    watch->pending = false;
    watch->handler(watch->user);
}

/* Takes everything there is. True if that was anything, be it the word that messages were lost. */
static bool drain(int fd)
{
    char buffer[8192];
    bool any = false;
    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != ENOBUFS) return any;
        any = true;
    }
}

/* libuv stops polling and reports lost messages, an error of the socket, as a bad status. */
static void on_message(uv_poll_t *poll, int status, int events)
{
    struct sw_network_watch *watch = poll->data;
    uint64_t now = uv_now(poll->loop);
    (void)events;
    if (status < 0) uv_poll_start(poll, UV_READABLE, on_message);
    if (!drain(watch->fd)) return;
    if (!watch->pending) watch->since = now;
    watch->pending = true;
    uint64_t latest = watch->since + AT_MOST_MS;
    uint64_t wait = now + QUIET_MS < latest ? QUIET_MS : latest > now ? latest - now : 0;
    uv_timer_start(&watch->timer, on_settled, wait, 0);
}

static int open_socket(void)
{
    const struct sockaddr_nl address = {
        .nl_family = AF_NETLINK,
        .nl_groups =
            RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE,
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

struct sw_network_watch *sw_network_watch_open(uv_loop_t *loop, sw_network_handler handler,
                                               void *user)
{
    struct sw_network_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) return NULL;
    watch->handler = handler;
    watch->user = user;
    watch->fd = open_socket();
    int error = watch->fd < 0 ? errno : -uv_poll_init(loop, &watch->poll, watch->fd);
    if (error != 0) {
        if (watch->fd >= 0) close(watch->fd);
        free(watch);
        errno = error;
        return NULL;
    }
    uv_timer_init(loop, &watch->timer);
    watch->open_handles = 2;
    watch->poll.data = watch;
    watch->timer.data = watch;
    uv_poll_start(&watch->poll, UV_READABLE, on_message);
    return watch;
}

static void on_closed(uv_handle_t *handle)
{
    struct sw_network_watch *watch = handle->data;
    if (--watch->open_handles > 0) return;
    close(watch->fd);
    free(watch);
}

void sw_network_watch_close(struct sw_network_watch *watch)
{
    if (watch == NULL) return;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
    uv_close((uv_handle_t *)&watch->timer, on_closed);
}
