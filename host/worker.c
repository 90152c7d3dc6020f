/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A worker's life: loop, sockets, engine, clock (host/worker.h). How packets move is in
 * worker_path.c.
 *
 * The engine has one deadline that moves with nearly every packet. Before the loop sleeps it is
 * compared with the timer; only one that is too late is set again, one that fires early finds
 * nothing due and is set anew.
 */

#include "host/worker.h"

#include <assert.h>
#include <poll.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/crew.h"
#include "host/random.h"
#include "host/worker_internal.h"
#include "host/worker_metrics.h"

/* Three superpackets and what goes with them; small enough to stay in the second-level cache. */
#define BATCH_BYTES  (256u << 10)
#define BATCH_CHUNKS 160

#define GOODBYE_PATIENCE (500 * SW_MILLISECOND)

sw_time sw_worker_now(void)
{
    return uv_hrtime();
}

uv_loop_t *sw_worker_loop(struct sw_worker *worker)
{
    return &worker->loop;
}

struct sw_engine *sw_worker_engine(struct sw_worker *worker)
{
    return worker->engine;
}

struct sw_streams *sw_worker_streams(struct sw_worker *worker)
{
    return worker->streams;
}

const struct sw_tun *sw_worker_tun(const struct sw_worker *worker)
{
    return &worker->tun;
}

const struct sw_udp *sw_worker_udp(const struct sw_worker *worker)
{
    return &worker->udp;
}

/* --- the clock ---------------------------------------------------------------------------------*/

static void on_timer(uv_timer_t *timer)
{
    struct sw_worker *worker = timer->data;
    worker->timer_at = SW_NEVER;
    worker->counters.wakeups++;
    if (worker->engine != NULL) sw_engine_timer(worker->engine, sw_worker_now());
    sw_worker_finish_wakeup(worker);
}

static void before_sleep(uv_prepare_t *prepare)
{
    struct sw_worker *worker = prepare->data;
    sw_time due = worker->engine != NULL ? sw_engine_deadline(worker->engine) : SW_NEVER;
    if (due >= worker->timer_at) return;
    sw_time now = sw_worker_now();
    uint64_t wait_ms = due > now ? (due - now + SW_MILLISECOND - 1) / SW_MILLISECOND : 0;
    uv_timer_start(&worker->timer, on_timer, wait_ms, 0);
    worker->timer_at = due;
}

/* --- callbacks of the engine -------------------------------------------------------------------*/

static int on_flush(void *user)
{
    return sw_worker_send_batch(user);
}

static void on_inside(void *user, struct sw_conn *conn, uint8_t *packet, size_t len)
{
    struct sw_worker *worker = user;
    if (worker->tun_open)
        sw_inside_writer_push(worker->writer, packet, len);
    else
        worker->counters.inside_discarded++;
}

void sw_link_drop(struct sw_conn *conn)
{
    struct sw_link *link = sw_conn_user(conn);
    if (link == NULL) return;
    if (link->stream != NULL) sw_stream_finish(link->stream);
    sw_conn_set_user(conn, NULL);
    free(link);
}

static void on_event(void *user, struct sw_conn *conn, const struct sw_event *event)
{
    struct sw_worker *worker = user;
    if (event->type == SW_EVENT_WRITABLE) {
        struct sw_link *link = sw_conn_user(conn);
        if (link != NULL && link->stream != NULL) sw_stream_mark(link->stream);
        return;
    }
    if (event->type == SW_EVENT_CLOSED) sw_worker_forget(worker, conn);
    if (event->type == SW_EVENT_STATE && sw_conn_state(conn) == SW_STATE_LINK_UP &&
        sw_conn_transport(conn) == SW_DATAGRAM)
        sw_worker_mail_address_taken(worker, sw_conn_path(conn));
    worker->config.ops->event(worker->config.user, conn, event);
    if (event->type == SW_EVENT_CLOSED) sw_link_drop(conn);
}

static int on_authorise(void *user, struct sw_conn *conn, const struct sw_credentials *credentials)
{
    struct sw_worker *worker = user;
    return worker->config.ops->authorise(worker->config.user, conn, credentials);
}

static int on_assign(void *user, struct sw_conn *conn, uint32_t *inside_ip)
{
    struct sw_worker *worker = user;
    return worker->config.ops->assign(worker->config.user, conn, inside_ip);
}

static void on_release(void *user, struct sw_conn *conn, uint32_t inside_ip)
{
    struct sw_worker *worker = user;
    worker->config.ops->release(worker->config.user, conn, inside_ip);
}

static unsigned on_place(void *user)
{
    return sw_worker_place(user);
}

static void on_foreign(void *user, unsigned owner, const struct sw_path *path, const uint8_t *data,
                       size_t len)
{
    sw_worker_mail_datagram(user, owner, path, data, len);
}

static const struct sw_callbacks callbacks = {
    .flush = on_flush,
    .inside = on_inside,
    .event = on_event,
    .authorise = on_authorise,
    .assign = on_assign,
    .release = on_release,
    .place = on_place,
    .foreign = on_foreign,
    .random = sw_random_callback,
};

struct sw_link *sw_link_of(struct sw_conn *conn)
{
    struct sw_link *link = sw_conn_user(conn);
    if (link == NULL) {
        link = calloc(1, sizeof *link);
        sw_conn_set_user(conn, link);
    }
    return link;
}

/* --- life --------------------------------------------------------------------------------------*/

static void after_stream(void *user)
{
    struct sw_worker *worker = user;
    worker->counters.wakeups++;
    sw_worker_finish_wakeup(worker);
}

struct sw_worker *sw_worker_new(const struct sw_worker_config *config)
{
    struct sw_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) return NULL;
    worker->config = *config;
    worker->udp.fd = -1;
    worker->tun.fd = -1;
    worker->timer_at = SW_NEVER;
    worker->packet_from = -1;
    if (uv_loop_init(&worker->loop) < 0) {
        free(worker);
        return NULL;
    }
    uv_prepare_init(&worker->loop, &worker->prepare);
    uv_timer_init(&worker->loop, &worker->timer);
    uv_timer_init(&worker->loop, &worker->tun_queue_timer);
    uv_async_init(&worker->loop, &worker->bell, sw_worker_on_bell);
    worker->prepare.data = worker->timer.data = worker->tun_queue_timer.data = worker->bell.data =
        worker;
    uv_prepare_start(&worker->prepare, before_sleep);
    worker->batch = sw_batch_new(BATCH_BYTES, BATCH_CHUNKS, config->max_segments);
    worker->streams = sw_streams_new(&worker->loop, config->sys, after_stream, worker);
    if (worker->batch == NULL || worker->streams == NULL) {
        sw_worker_free(worker);
        return NULL;
    }
    return worker;
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

/* A handle of its own memory, which libuv keeps for a while after it is closed. NULL: no memory. */
static uv_poll_t *open_poll(struct sw_worker *worker, int fd)
{
    uv_poll_t *handle = calloc(1, sizeof *handle);
    if (handle == NULL || uv_poll_init(&worker->loop, handle, fd) < 0) {
        free(handle);
        return NULL;
    }
    handle->data = worker;
    return handle;
}

static void close_poll(uv_poll_t *handle)
{
    uv_close((uv_handle_t *)handle, on_poll_closed);
}

int sw_worker_attach_tun(struct sw_worker *worker, const struct sw_tun *tun)
{
    assert(!worker->tun_open);
    const struct sw_worker_config *config = &worker->config;
    worker->tun = *tun;
    worker->writer = sw_inside_writer_new(&worker->tun);
    if (!tun->write_only) worker->tun_poll = open_poll(worker, tun->fd);
    if (worker->writer == NULL || (worker->tun_poll == NULL && !tun->write_only) ||
        sw_worker_metrics_writer(worker->metrics, worker->writer) < 0)
        return SW_ENOMEM;
    worker->tun_open = true;
    sw_tun_queue_open(&worker->tun_queue, &worker->tun,
                      config->crew != NULL ? &config->crew->bulk : NULL);
    sw_worker_watch_tun(worker);
    return 0;
}

int sw_worker_attach_udp(struct sw_worker *worker, const struct sw_udp *udp)
{
    assert(!worker->udp_open);
    struct sw_udp_counters counted = worker->udp.counters;
    worker->udp = *udp;
    worker->udp.counters = counted;
    worker->sender = sw_udp_sender_new(&worker->udp, &worker->send_counters,
                                       worker->config.batching ? SW_UDP_SEND_MESSAGES : 1);
    worker->udp_poll = open_poll(worker, udp->fd);
    if (worker->sender == NULL || worker->udp_poll == NULL) return SW_ENOMEM;
    worker->udp_open = true;
    worker->blocked = false;
    sw_batch_clear(worker->batch);
    sw_worker_watch_udp(worker);
    return 0;
}

bool sw_worker_follow_route(struct sw_worker *worker, const struct sw_address *inside,
                            struct sw_address *local)
{
    return worker->udp_open && sw_udp_follow_route(&worker->udp, inside, local);
}

void sw_worker_detach_udp(struct sw_worker *worker)
{
    if (!worker->udp_open) return;
    worker->udp_open = false;
    worker->blocked = false;
    close_poll(worker->udp_poll);
    sw_udp_sender_free(worker->sender);
    worker->sender = NULL;
    sw_udp_close(&worker->udp);
    sw_batch_clear(worker->batch);
}

int sw_worker_start_engine(struct sw_worker *worker, const struct sw_engine_config *config)
{
    assert(worker->engine == NULL);
    sw_time now = sw_worker_now();
    struct sw_engine_config full = *config;
    full.callbacks = &callbacks;
    full.user = worker;
    full.batch = worker->batch;
    full.unix_time = (int64_t)time(NULL) - (int64_t)(now / SW_SECOND);
    worker->engine = sw_engine_new(&full, now);
    if (worker->engine == NULL) return SW_EINVAL;
    return sw_worker_metrics_engine(worker->metrics, sw_engine_counters(worker->engine));
}

int sw_worker_adopt_engine(struct sw_worker *worker, struct sw_engine *engine)
{
    assert(worker->engine == NULL);
    int error = sw_worker_metrics_engine(worker->metrics, sw_engine_counters(engine));
    if (error < 0) return error;
    sw_engine_move(engine, &callbacks, worker, worker->batch);
    worker->engine = engine;
    return 0;
}

/* Sends the last words, for as long as a full socket deserves. */
static void drain(struct sw_worker *worker)
{
    sw_time until = sw_worker_now() + GOODBYE_PATIENCE;
    while (sw_worker_send_batch(worker) == SW_EAGAIN && sw_worker_now() < until) {
        struct pollfd wait = {.fd = worker->udp.fd, .events = POLLOUT};
        poll(&wait, 1, 10);
        worker->blocked = false;
    }
}

void sw_worker_count_engine(struct sw_worker *worker, const struct sw_engine *engine)
{
    sw_worker_metrics_engine_gone(worker->metrics, sw_engine_counters(engine), &worker->past);
}

void sw_worker_stop_engine(struct sw_worker *worker)
{
    if (worker->engine == NULL) return;
    sw_engine_shutdown(worker->engine, sw_worker_now());
    drain(worker);
    sw_worker_count_engine(worker, worker->engine);
    sw_engine_free(worker->engine);
    worker->engine = NULL;
}

void sw_worker_attach_stream(struct sw_worker *worker, int fd, struct sw_conn *conn)
{
    struct sw_link *link = sw_link_of(conn);
    if (link == NULL) {
        close(fd);
        sw_conn_close(conn, SW_ENOMEM, sw_worker_now());
        return;
    }
    link->stream = sw_stream_new(worker->streams, fd, conn);
    if (link->stream == NULL)
        sw_conn_close(conn, SW_ENOMEM, sw_worker_now());
    else
        sw_stream_mark(link->stream); /* it may have had something to say before */
}

void sw_worker_flush(struct sw_worker *worker)
{
    sw_worker_finish_wakeup(worker);
}

void sw_worker_run(struct sw_worker *worker)
{
    uv_run(&worker->loop, UV_RUN_DEFAULT);
}

void sw_worker_stop(struct sw_worker *worker)
{
    uv_stop(&worker->loop);
}

void sw_worker_free(struct sw_worker *worker)
{
    if (worker == NULL) return;
    sw_worker_stop_engine(worker);
    sw_worker_detach_udp(worker);
    worker->tun_open = false;
    if (worker->tun_poll != NULL) close_poll(worker->tun_poll);
    worker->tun_poll = NULL;
    sw_inside_writer_free(worker->writer);
    sw_tun_queue_close(&worker->tun_queue);
    sw_tun_close(&worker->tun);
    uv_close((uv_handle_t *)&worker->prepare, NULL);
    uv_close((uv_handle_t *)&worker->timer, NULL);
    uv_close((uv_handle_t *)&worker->tun_queue_timer, NULL);
    uv_close((uv_handle_t *)&worker->bell, NULL);
    while (uv_run(&worker->loop, UV_RUN_DEFAULT) != 0)
        continue;
    int busy = uv_loop_close(&worker->loop);
    assert(busy == 0);
    (void)busy;
    sw_streams_free(worker->streams);
    sw_batch_free(worker->batch);
    free(worker);
}

int sw_worker_metrics(struct sw_worker *worker, struct sw_metrics *metrics)
{
    worker->metrics = metrics;
    const struct sw_worker_sections sections = {
        .worker = &worker->counters,
        .udp = &worker->udp.counters,
        .udp_send = &worker->send_counters,
        .tun = &worker->tun.counters,
        .tun_queue = &worker->tun_queue,
        .tcp = sw_streams_counters(worker->streams),
        .past = &worker->past,
    };
    return sw_worker_metrics_add(metrics, &sections);
}
