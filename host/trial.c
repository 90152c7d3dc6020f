/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A connection on trial (host/trial.h). Nothing here is fast and nothing needs to be: what goes
 * through is handshakes. Datagrams have a socket and a small batch of their own; TCP uses the
 * worker's streams, since a stream knows its connection and needs no other place when its trial is
 * over.
 *
 * Before the loop sleeps, whatever the engine has produced is sent and its deadline becomes the
 * timer's; nobody has to remember either. The struct lives on until libuv has let go of its
 * handles.
 */

#include "host/trial.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host/random.h"
#include "host/worker_internal.h"
#include "host/worker_metrics.h"

#define BATCH_BYTES  (64u << 10)
#define BATCH_CHUNKS 64

struct sw_trial {
    uv_prepare_t prepare;
    uv_timer_t timer;
    uv_poll_t poll;
    unsigned handles; /* still to be closed */
    struct sw_worker *worker;
    struct sw_trial_ops ops;
    void *user;
    bool ending; /* nobody is told any more */

    struct sw_engine *engine;
    struct sw_batch *batch;
    struct sw_udp udp; /* fd -1: TCP, or given away */
    struct sw_udp_sender *sender;
    struct sw_udp_send_counters counters;
    bool polled, blocked;
};

/* --- callbacks of the engine -------------------------------------------------------------------*/

static void watch(struct sw_trial *trial);

static int send_batch(struct sw_trial *trial)
{
    if (trial->sender == NULL || trial->batch->count == 0) return 0;
    if (trial->blocked) return SW_EAGAIN;
    int result = sw_udp_sender_flush(trial->sender, trial->batch, sw_worker_now());
    trial->blocked = result == SW_EAGAIN;
    if (trial->blocked) watch(trial);
    return result;
}

/* Every probe that the kernel refuses makes the engine try less, so this ends. */
static void send_and_report(struct sw_trial *trial)
{
    send_batch(trial);
    while (trial->sender != NULL &&
           sw_udp_sender_report(trial->sender, trial->engine, sw_worker_now()))
        send_batch(trial);
}

static int on_flush(void *user)
{
    return send_batch(user);
}

/* The TUN is for the one that is chosen. */
static void on_inside(void *user, struct sw_conn *conn, uint8_t *packet, size_t len)
{
    struct sw_trial *trial = user;
    trial->worker->counters.inside_discarded++;
}

static void on_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    struct sw_trial *trial = user;
    if (event->type == SW_EVENT_WRITABLE) {
        struct sw_link *link = sw_conn_user(conn);
        if (link != NULL && link->stream != NULL) sw_stream_mark(link->stream);
        return;
    }
    if (!trial->ending) trial->ops.event(trial->user, conn, event);
    if (event->type == SW_EVENT_CLOSED) sw_link_drop(conn);
}

static const struct sw_callbacks callbacks = {
    .flush = on_flush,
    .inside = on_inside,
    .event = on_event,
    .random = sw_random_callback,
};

/* --- the clock ---------------------------------------------------------------------------------*/

static void on_timer(uv_timer_t *timer)
{
    struct sw_trial *trial = timer->data;
    sw_engine_timer(trial->engine, sw_worker_now());
}

static void before_sleep(uv_prepare_t *prepare)
{
    struct sw_trial *trial = prepare->data;
    sw_streams_flush(sw_worker_streams(trial->worker));
    send_and_report(trial);
    sw_time due = sw_engine_deadline(trial->engine), now = sw_worker_now();
    if (due == SW_NEVER) {
        uv_timer_stop(&trial->timer);
        return;
    }
    uint64_t wait_ms = due > now ? (due - now + SW_MILLISECOND - 1) / SW_MILLISECOND : 0;
    uv_timer_start(&trial->timer, on_timer, wait_ms, 0);
}

/* --- datagrams ---------------------------------------------------------------------------------*/

static void take_datagram(void *user, const struct sw_path *path, uint8_t *data, size_t len)
{
    struct sw_trial *trial = user;
    sw_engine_datagram(trial->engine, path, data, len, sw_worker_now());
}

/* News about an earlier send: receiving it, or the next send, takes it off the socket. */
static bool was_refused(struct sw_trial *trial)
{
    int error = 0;
    socklen_t len = sizeof error;
    bool at_sending = trial->counters.dropped[SW_UDP_DROP_REFUSED] > 0;
    if (getsockopt(trial->udp.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) return at_sending;
    return at_sending || error == ECONNREFUSED;
}

/* libuv stops polling and reports a pending socket error as a bad status. */
static void on_udp(uv_poll_t *poll, int status, int events)
{
    struct sw_trial *trial = poll->data;
    bool drained = false;
    if (status < 0 || (events & UV_WRITABLE)) trial->blocked = false;
    if (was_refused(trial)) trial->ops.refused(trial->user);
    for (unsigned done = 0; !drained && done < SW_WORK_PER_WAKEUP;)
        done += sw_udp_receive(&trial->udp, take_datagram, trial, &drained);
    send_batch(trial);
    watch(trial);
}

static void watch(struct sw_trial *trial)
{
    if (trial->polled)
        uv_poll_start(&trial->poll, UV_READABLE | (trial->blocked ? UV_WRITABLE : 0), on_udp);
}

/* --- life --------------------------------------------------------------------------------------*/

struct sw_trial *sw_trial_new(struct sw_worker *worker, const struct sw_engine_config *config,
                              const struct sw_trial_ops *ops, void *user)
{
    struct sw_trial *trial = calloc(1, sizeof *trial);
    if (trial == NULL) return NULL;
    sw_time now = sw_worker_now();
    struct sw_engine_config full = *config;
    trial->worker = worker;
    trial->ops = *ops;
    trial->user = user;
    trial->udp.fd = -1;
    trial->batch = sw_batch_new(BATCH_BYTES, BATCH_CHUNKS, 1);
    full.callbacks = &callbacks;
    full.user = trial;
    full.batch = trial->batch;
    full.unix_time = (int64_t)time(NULL) - (int64_t)(now / SW_SECOND);
    if (trial->batch != NULL) trial->engine = sw_engine_new(&full, now);
    if (trial->engine == NULL) {
        sw_batch_free(trial->batch);
        free(trial);
        return NULL;
    }
    uv_loop_t *loop = sw_worker_loop(worker);
    uv_prepare_init(loop, &trial->prepare);
    uv_timer_init(loop, &trial->timer);
    trial->prepare.data = trial->timer.data = trial->poll.data = trial;
    trial->handles = 2;
    uv_prepare_start(&trial->prepare, before_sleep);
    return trial;
}

struct sw_conn *sw_trial_connect_udp(struct sw_trial *trial, const struct sw_udp *udp, int *error)
{
    const struct sw_path path = {.remote = udp->remote};
    *error = SW_ENOMEM;
    trial->udp = *udp;
    trial->sender = sw_udp_sender_new(&trial->udp, &trial->counters, 1);
    if (trial->sender == NULL ||
        uv_poll_init(sw_worker_loop(trial->worker), &trial->poll, udp->fd) < 0)
        return NULL;
    trial->polled = true;
    trial->handles++;
    watch(trial);
    return sw_connect(trial->engine, SW_DATAGRAM, &path, sw_worker_now(), error);
}

struct sw_conn *sw_trial_connect_tcp(struct sw_trial *trial, int fd,
                                     const struct sw_address *remote, int *error)
{
    const struct sw_path path = {.remote = *remote};
    struct sw_conn *conn = sw_connect(trial->engine, SW_STREAM, &path, sw_worker_now(), error);
    if (conn != NULL)
        sw_worker_attach_stream(trial->worker, fd, conn);
    else
        close(fd);
    return conn;
}

static void on_closed(uv_handle_t *handle)
{
    struct sw_trial *trial = handle->data;
    if (--trial->handles > 0) return;
    sw_udp_close(&trial->udp);
    sw_batch_free(trial->batch);
    free(trial);
}

static void close_handles(struct sw_trial *trial)
{
    if (trial->polled) uv_close((uv_handle_t *)&trial->poll, on_closed);
    trial->polled = false;
    uv_close((uv_handle_t *)&trial->prepare, on_closed);
    uv_close((uv_handle_t *)&trial->timer, on_closed);
    sw_udp_sender_free(trial->sender);
    trial->sender = NULL;
}

int sw_trial_promote(struct sw_trial *trial)
{
    struct sw_worker *worker = trial->worker;
    bool datagram = trial->udp.fd >= 0;
    assert(worker->engine == NULL && !worker->udp_open);
    send_and_report(trial);
    /* libuv must have let go of the descriptor before another handle polls it */
    if (datagram) uv_poll_stop(&trial->poll);
    if (datagram && sw_worker_attach_udp(worker, &trial->udp) < 0) return SW_ENOMEM;
    if (sw_worker_adopt_engine(worker, trial->engine) < 0) {
        if (datagram) sw_worker_detach_udp(worker);
        trial->udp.fd = -1;
        trial->udp.ring = NULL;
        return SW_ENOMEM;
    }
    trial->engine = NULL;
    trial->udp.fd = -1;
    trial->udp.ring = NULL;
    close_handles(trial);
    sw_worker_flush(worker);
    return 0;
}

void sw_trial_free(struct sw_trial *trial)
{
    if (trial == NULL) return;
    trial->ending = true;
    sw_engine_shutdown(trial->engine, sw_worker_now());
    send_batch(trial);
    sw_worker_count_engine(trial->worker, trial->engine);
    sw_engine_free(trial->engine);
    trial->engine = NULL;
    close_handles(trial);
}
