/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_WORKER_METRICS_H
#define SW_HOST_WORKER_METRICS_H

/* The names of everything that a worker and its engine count. */

#include "host/inside_writer.h"
#include "host/tun_queue.h"
#include "host/worker.h"

/** The structs of one worker; they must outlive the registry. */
struct sw_worker_sections {
    const struct sw_worker_counters *worker;
    const struct sw_udp_counters *udp;
    const struct sw_udp_send_counters *udp_send;
    const struct sw_tun_counters *tun;
    const struct sw_tun_queue *tun_queue;
    const struct sw_tcp_counters *tcp;
    const struct sw_engine_counters *past; /**< of engines that are gone */
};

/** 0 or SW_ENOMEM. */
int sw_worker_metrics_add(struct sw_metrics *metrics, const struct sw_worker_sections *sections);

/** Adds those of the way into the TUN; metrics may be NULL. 0 or SW_ENOMEM. */
int sw_worker_metrics_writer(struct sw_metrics *metrics, const struct sw_inside_writer *writer);

/** Adds those of an engine; metrics may be NULL. 0 or SW_ENOMEM. */
int sw_worker_metrics_engine(struct sw_metrics *metrics, const struct sw_engine_counters *counters);

/** Removes them again and adds their values to past, so that no counter ever goes back. */
void sw_worker_metrics_engine_gone(struct sw_metrics *metrics,
                                   const struct sw_engine_counters *counters,
                                   struct sw_engine_counters *past);

#endif
