/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The two ways of a packet through a worker (docs/architecture.md, docs/offload.md F).
 *
 * Inside to outside: packets and superpackets are read from the TUN, cut and sealed by the engine
 * into the batch, and the batch leaves at the end of the wake-up. When the socket is full the batch
 * stays, the packet under way is held, and the TUN is not read until there is room: the TUN's queue
 * fills and the kernel slows its senders down. Nothing of ours grows meanwhile.
 *
 * Outside to inside: datagrams go to the engine, which hands packets to the TUN.
 *
 * A wake-up does a bounded amount of work in one direction, then the loop looks at the other: a
 * busy socket must not starve the TUN, whose queue is 500 packets short.
 */

#include <slipway/error.h>

#include "host/worker_internal.h"
#include "lib/base/bytes.h"

#define IPV4_HEADER_MIN 20

/* How often an idle TUN's queue is looked at while it is short. */
#define QUEUE_LOOK_MS 50

int sw_worker_send_batch(struct sw_worker *worker)
{
    if (worker->batch->count == 0) return 0;
    if (!worker->udp_open) {
        sw_batch_clear(worker->batch);
        return 0;
    }
    if (worker->blocked) return SW_EAGAIN;
    int result = sw_udp_sender_flush(worker->sender, worker->batch, sw_worker_now());
    if (result == SW_EAGAIN) {
        worker->blocked = true;
        sw_worker_watch_udp(worker);
    }
    return result;
}

/* --- inside to outside -------------------------------------------------------------------------*/

/* What a packet costs of the work of a wake-up. */
static int weight(const struct sw_inside_packet *packet)
{
    if (!sw_vnet_is_super(&packet->vnet) || packet->vnet.gso_size == 0) return 1;
    return (int)(packet->len / packet->vnet.gso_size) + 1;
}

static void pause_inside(struct sw_worker *worker)
{
    worker->paused = true;
    worker->counters.paused++;
    sw_worker_watch_tun(worker);
}

static void hand_over(struct sw_worker *worker, sw_time now)
{
    struct sw_inside_packet *packet = &worker->packet;
    if (packet->len < IPV4_HEADER_MIN || packet->data[0] >> 4 != 4) {
        worker->counters.not_ipv4++;
        return;
    }
    struct sw_conn *conn = worker->config.ops->find(
        worker->config.user, sw_get_be32(packet->data + SW_IPV4_DESTINATION));
    if (conn != NULL) {
        if (sw_conn_send(conn, packet, now) == SW_EAGAIN) worker->held = conn;
    } else if (!sw_worker_mail_inside(worker, packet)) {
        worker->counters.no_connection++;
    }
}

int sw_worker_send_inside(struct sw_worker *worker, sw_time now)
{
    int cost = weight(&worker->packet);
    hand_over(worker, now);
    if (!worker->config.batching) {
        sw_streams_flush(worker->streams);
        sw_worker_send_batch(worker);
    }
    return cost;
}

static void read_inside(struct sw_worker *worker)
{
    sw_time now = sw_worker_now();
    struct sw_inside_packet *packet = &worker->packet;
    for (int budget = SW_WORK_PER_WAKEUP; budget > 0;) {
        ssize_t n = sw_tun_read(&worker->tun, worker->inside, SW_TUN_PACKET_MAX, &packet->vnet);
        if (n == 0) return;
        if (n == SW_EAGAIN) {
            budget--;
            continue;
        }
        if (n < 0) {
            worker->tun_lost = true;
            sw_worker_watch_tun(worker);
            worker->config.ops->tun_lost(worker->config.user);
            return;
        }
        packet->data = worker->inside;
        packet->len = (size_t)n;
        packet->room = SW_TUN_PACKET_MAX;
        packet->next = 0;
        budget -= sw_worker_send_inside(worker, now);
        if (worker->held != NULL || worker->blocked) return;
    }
}

void sw_worker_forget(struct sw_worker *worker, struct sw_conn *conn)
{
    if (worker->held != conn) return;
    worker->held = NULL;
    worker->counters.held_dropped++;
    sw_worker_mail_done(worker);
}

static void on_tun_queue_timer(uv_timer_t *timer)
{
    struct sw_worker *worker = timer->data;
    sw_tun_queue_look(&worker->tun_queue, &worker->tun.counters, sw_worker_now());
    if (!sw_tun_queue_short(&worker->tun_queue)) uv_timer_stop(timer);
}

static void look_at_queue(struct sw_worker *worker)
{
    bool was_short = sw_tun_queue_short(&worker->tun_queue);
    sw_tun_queue_look(&worker->tun_queue, &worker->tun.counters, sw_worker_now());
    if (!was_short && sw_tun_queue_short(&worker->tun_queue))
        uv_timer_start(&worker->tun_queue_timer, on_tun_queue_timer, QUEUE_LOOK_MS, QUEUE_LOOK_MS);
}

static void on_tun(uv_poll_t *poll, int status, int events)
{
    struct sw_worker *worker = poll->data;
    worker->counters.wakeups++;
    read_inside(worker);
    look_at_queue(worker);
    if (status < 0 && !worker->paused) sw_worker_watch_tun(worker); /* libuv stopped polling */
    sw_worker_finish_wakeup(worker);
}

void sw_worker_watch_tun(struct sw_worker *worker)
{
    if (worker->tun_poll == NULL) return;
    if (worker->paused || worker->tun_lost)
        uv_poll_stop(worker->tun_poll);
    else
        uv_poll_start(worker->tun_poll, UV_READABLE, on_tun);
}

/* Tries the held packet again. False: still no room. */
static bool send_held(struct sw_worker *worker)
{
    struct sw_conn *conn = worker->held;
    if (conn == NULL) return true;
    worker->held = NULL;
    if (sw_conn_send(conn, &worker->packet, sw_worker_now()) == SW_EAGAIN)
        worker->held = conn;
    else
        sw_worker_mail_done(worker);
    sw_streams_flush(worker->streams);
    sw_worker_send_batch(worker);
    return worker->held == NULL && !worker->blocked;
}

/* Every probe that the kernel refuses makes the engine try less, so this ends. */
static void report(struct sw_worker *worker)
{
    while (worker->engine != NULL && worker->udp_open &&
           sw_udp_sender_report(worker->sender, worker->engine, sw_worker_now()))
        sw_worker_send_batch(worker);
}

void sw_worker_finish_wakeup(struct sw_worker *worker)
{
    if (worker->tun_open) sw_inside_writer_flush(worker->writer, sw_worker_now());
    sw_streams_flush(worker->streams);
    sw_worker_send_batch(worker);
    report(worker);
    if (!worker->paused) {
        if (worker->blocked || worker->held != NULL) pause_inside(worker);
    } else if (!worker->blocked && send_held(worker)) {
        worker->paused = false;
        sw_worker_watch_tun(worker);
        sw_worker_mail_again(worker);
    }
    sw_worker_ring_bells(worker);
}

/* --- outside to inside -------------------------------------------------------------------------*/

static void take_datagram(void *user, const struct sw_path *path, uint8_t *data, size_t len)
{
    struct sw_worker *worker = user;
    sw_engine_datagram(worker->engine, path, data, len, worker->now);
}

static void read_outside(struct sw_worker *worker)
{
    bool drained = false;
    unsigned done = 0;
    worker->now = sw_worker_now();
    while (!drained && done < SW_WORK_PER_WAKEUP && worker->udp_open)
        done += sw_udp_receive(&worker->udp, take_datagram, worker, &drained);
}

/* libuv stops polling and reports a pending socket error as a bad status; receiving clears it. */
static void on_udp(uv_poll_t *poll, int status, int events)
{
    struct sw_worker *worker = poll->data;
    worker->counters.wakeups++;
    bool was_blocked = worker->blocked;
    if (status < 0 || (events & UV_WRITABLE)) worker->blocked = false;
    if (worker->engine != NULL && (status < 0 || (events & UV_READABLE))) read_outside(worker);
    if (status < 0 || was_blocked) sw_worker_watch_udp(worker);
    sw_worker_finish_wakeup(worker);
}

void sw_worker_watch_udp(struct sw_worker *worker)
{
    if (worker->udp_open)
        uv_poll_start(worker->udp_poll, UV_READABLE | (worker->blocked ? UV_WRITABLE : 0), on_udp);
}
