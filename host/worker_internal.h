/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_WORKER_INTERNAL_H
#define SW_HOST_WORKER_INTERNAL_H

/*
 * What the files of the worker share: worker.c (life), worker_path.c (packets), worker_mail.c
 * (other workers).
 */

#include <stdatomic.h>

#include "host/inside_writer.h"
#include "host/tun_queue.h"
#include "host/worker.h"

/** Room behind the longest packet, so that reading in vectors past its end stays in bounds. */
#define SW_INSIDE_TAIL 64

/** Datagrams, or segments of inside packets, that one wake-up handles in one direction. */
#define SW_WORK_PER_WAKEUP 128

#define SW_IPV4_DESTINATION 16

struct sw_worker {
    struct sw_worker_config config;
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_timer_t timer;
    uv_async_t bell; /* mail or calls have come */
    _Atomic(struct sw_worker_call *) calls;
    uint64_t bells;       /* whose bell is to be rung */
    uint64_t connections; /* as told to the crew */
    unsigned mail_next;   /* whose mail comes first */
    sw_time timer_at;     /* when the timer fires; SW_NEVER: not armed */
    struct sw_worker_counters counters;

    struct sw_engine *engine;
    struct sw_engine_counters past; /* sums of engines that are gone */
    struct sw_metrics *metrics;     /* NULL: none */
    struct sw_batch *batch;
    struct sw_streams *streams;

    struct sw_udp udp;
    struct sw_udp_sender *sender;
    struct sw_udp_send_counters send_counters;
    uv_poll_t *udp_poll;
    bool udp_open;
    bool blocked; /* the socket is full and the batch waits */

    struct sw_tun tun;
    struct sw_tun_queue tun_queue;
    struct sw_inside_writer *writer;
    uv_timer_t tun_queue_timer; /* while the queue is short, to notice that nothing comes */
    uv_poll_t *tun_poll;
    bool tun_open;
    bool paused;   /* the TUN is not read: blocked, or a packet is held */
    bool tun_lost; /* nor will it ever be again */
    sw_time now;   /* of the datagrams being received */

    /* The inside packet under way; held: it waits for room. */
    struct sw_inside_packet packet;
    int packet_from; /* it is in the box of that worker's mail; -1: in inside */
    struct sw_conn *held;
    uint8_t inside[SW_TUN_PACKET_MAX + SW_INSIDE_TAIL];
};

/** Polls what the present state needs. */
void sw_worker_watch_udp(struct sw_worker *worker);
void sw_worker_watch_tun(struct sw_worker *worker);

/** The end of every wake-up: everything out, then resume or pause. */
void sw_worker_finish_wakeup(struct sw_worker *worker);

/** Sends the batch; on SW_EAGAIN notes that the socket is blocked. */
int sw_worker_send_batch(struct sw_worker *worker);

/** What an engine that ends has counted stays in the metrics. */
void sw_worker_count_engine(struct sw_worker *worker, const struct sw_engine *engine);

/** Drops the held packet if it is for conn, which closes. */
void sw_worker_forget(struct sw_worker *worker, struct sw_conn *conn);

/** Where worker->packet goes. What it cost of the work of a wake-up; worker->held says if it waits.
 */
int sw_worker_send_inside(struct sw_worker *worker, sw_time now);

/* worker_mail.c. False: the packet is nobody's. */
bool sw_worker_mail_inside(struct sw_worker *worker, const struct sw_inside_packet *packet);
void sw_worker_mail_datagram(struct sw_worker *worker, unsigned to, const struct sw_path *path,
                             const uint8_t *data, size_t len);
void sw_worker_mail_address_taken(struct sw_worker *worker, const struct sw_path *path);
/** Mail has waited while the worker was paused. */
void sw_worker_mail_again(struct sw_worker *worker);
/** The held packet is done with; its place in the box is free, if that is where it was. */
void sw_worker_mail_done(struct sw_worker *worker);
/** Which worker shall have the next connection, maybe this one. */
unsigned sw_worker_place(struct sw_worker *worker);
/** The end of a wake-up: others are told what concerns them. */
void sw_worker_ring_bells(struct sw_worker *worker);
void sw_worker_on_bell(uv_async_t *bell);

#endif
