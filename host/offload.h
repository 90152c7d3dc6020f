/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_OFFLOAD_H
#define SW_HOST_OFFLOAD_H

/*
 * Which offloads of the kernel are used: what the configuration asks for, what the kernel can, and
 * for each that is off the reason (docs/offload.md F.1, F.4, F.5).
 */

#include <jansson.h>

#include "host/options.h"
#include "host/tun.h"

enum sw_offload {
    SW_OFFLOAD_TUN_TSO,     /**< TCP superpackets come out of the TUN */
    SW_OFFLOAD_TUN_USO,     /**< UDP superpackets, too */
    SW_OFFLOAD_TUN_GRO,     /**< TCP superpackets are written to it */
    SW_OFFLOAD_TUN_GRO_UDP, /**< UDP superpackets, too */
    SW_OFFLOAD_UDP_SEGMENT, /**< many datagrams leave in one message */
    SW_OFFLOAD_UDP_GRO,     /**< many datagrams come in one message */
    SW_OFFLOADS
};

/** What the options say; part of the programs' configuration. */
struct sw_offload_config {
    enum sw_tristate wanted[SW_OFFLOADS];
    uint32_t max_segments_per_send; /**< 0: as many as the kernel takes */
};

struct sw_offloads {
    bool allowed;          /**< false: one packet per call, whatever the kernel can */
    unsigned max_segments; /**< datagrams per message; 1 without UDP_SEGMENT */
    /* private */
    bool required[SW_OFFLOADS];
    bool by_master; /* TSO is required by enable_tun_offload, not by its own option */
    bool configured_off[SW_OFFLOADS];
    char off[SW_OFFLOADS][96]; /* why it is not used; empty: it is */
};

/** The options of one program, from their defaults on: rules between them, as a check() does. */
void sw_offload_check_options(struct sw_option_load *load, enum sw_tristate enable_tun_offload,
                              const struct sw_offload_config *config);

/** Begins with what is wanted; everything wanted counts as on until it is denied. */
void sw_offload_begin(struct sw_offloads *offloads, enum sw_tristate enable_tun_offload,
                      const struct sw_offload_config *config);

bool sw_offload_is_on(const struct sw_offloads *offloads, enum sw_offload which);

/** This one cannot be used, the reason being a phrase. Nothing changes if it is off already. */
void sw_offload_deny(struct sw_offloads *offloads, enum sw_offload which, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The same for one that there is no use for here, which is nothing to warn about. */
void sw_offload_leave_out(struct sw_offloads *offloads, enum sw_offload which, const char *why);

/** What to ask of the TUN device. */
struct sw_tun_config sw_offload_tun_config(const struct sw_offloads *offloads, const char *name);

/** Denies what the open device cannot read. */
void sw_offload_tun_opened(struct sw_offloads *offloads, const struct sw_tun *tun);

/**
 * Tries to write superpackets to the TUN, which is up, denies those it does not take, and tells it
 * in tun->takes_tcp and takes_udp. The packets go nowhere.
 */
void sw_offload_probe_tun(struct sw_offloads *offloads, struct sw_tun *tun);

/** Tries UDP_SEGMENT and UDP_GRO on sockets of its own. */
void sw_offload_probe_udp(struct sw_offloads *offloads, const struct sw_sys *sys);

/**
 * The end of probing: logs what is off, one line each. SW_EINVAL with one sentence in why: the
 * configuration requires one of them.
 */
int sw_offload_judge(const struct sw_offloads *offloads, char *why, size_t why_size);

/** "on", "off", or what is missing: for the line that a program starts with. */
const char *sw_offload_summary(const struct sw_offloads *offloads, char *buffer, size_t size);

/**
 * {"tun_tso": "on", "udp_gro": "off: …", …}. metrics (of sw_metrics_json) know what has been
 * switched off since the start. NULL without memory.
 */
json_t *sw_offload_status(const struct sw_offloads *offloads, const json_t *metrics);

/**
 * How many datagrams one send may carry with UDP_SEGMENT here: 128, 64 or 1 (not at all, errno says
 * why). Tries it on a loopback socket; where loopback is down, 64.
 */
unsigned sw_udp_probe_segments(const struct sw_sys *sys);

#endif
