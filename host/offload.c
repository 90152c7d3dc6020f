/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * From wish to fact. An offload starts as wanted and stays on unless something denies it: its
 * option, the master switch, another option, the device, or a probe (offload_probe.c). The first
 * denial is the reason that log and status give. Only at the end is it judged whether the
 * configuration can live with what is left, so that one message names the option, and the reason is
 * the kernel's own word.
 *
 * enable_tun_offload is the master. False: nothing is used and every packet goes alone. True: TCP
 * superpackets must come out of the TUN, since without them there is no offload to speak of; all
 * else is used where it can be. A feature's own option goes before that.
 *
 * What is found out later, while packets flow, does not change this struct, which all threads read.
 * Whoever latches something off counts it, and the status takes it from there.
 */

#include "host/offload.h"

#include <linux/if_tun.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SW_LOG_TARGET "offload"
#include "host/log.h"

#define ANY_SEGMENTS 128 /* no kernel takes more */

static const struct {
    const char *option, *name;
    const char *latched; /* gauge: how many sockets or queues have it off for now */
} features[SW_OFFLOADS] = {
    [SW_OFFLOAD_TUN_TSO] = {"offload_tun_tso", "tun_tso", NULL},
    [SW_OFFLOAD_TUN_USO] = {"offload_tun_uso", "tun_uso", NULL},
    [SW_OFFLOAD_TUN_GRO] = {"offload_tun_gro", "tun_gro", "tun_gro_off{kind=\"tcp\"}"},
    [SW_OFFLOAD_TUN_GRO_UDP] = {"offload_tun_gro_udp", "tun_gro_udp", "tun_gro_off{kind=\"udp\"}"},
    [SW_OFFLOAD_UDP_SEGMENT] = {"offload_udp_segment", "udp_segment", "gso_off"},
    [SW_OFFLOAD_UDP_GRO] = {"offload_udp_gro", "udp_gro", NULL},
};

/* --- what is wanted ----------------------------------------------------------------------------*/

void sw_offload_check_options(struct sw_option_load *load, enum sw_tristate enable_tun_offload,
                              const struct sw_offload_config *config)
{
    for (enum sw_offload i = 0; i < SW_OFFLOADS; i++) {
        if (config->wanted[i] == SW_ON && enable_tun_offload == SW_OFF)
            sw_option_error(load, features[i].option,
                            "needs enable_tun_offload; remove enable_tun_offload: false");
    }
    if (config->wanted[SW_OFFLOAD_UDP_SEGMENT] == SW_ON && config->max_segments_per_send == 1)
        sw_option_error(load, features[SW_OFFLOAD_UDP_SEGMENT].option,
                        "cannot be with max_segments_per_send: 1; remove one of them");
}

void sw_offload_begin(struct sw_offloads *offloads, enum sw_tristate enable_tun_offload,
                      const struct sw_offload_config *config)
{
    memset(offloads, 0, sizeof *offloads);
    offloads->allowed = enable_tun_offload != SW_OFF;
    offloads->max_segments =
        config->max_segments_per_send != 0 ? config->max_segments_per_send : ANY_SEGMENTS;
    for (enum sw_offload i = 0; i < SW_OFFLOADS; i++) {
        offloads->required[i] = config->wanted[i] == SW_ON;
        if (!offloads->allowed)
            sw_offload_leave_out(offloads, i, "enable_tun_offload is false");
        else if (config->wanted[i] == SW_OFF)
            sw_offload_leave_out(offloads, i, "its option is false");
    }
    offloads->by_master =
        enable_tun_offload == SW_ON && config->wanted[SW_OFFLOAD_TUN_TSO] == SW_AUTO;
    offloads->required[SW_OFFLOAD_TUN_TSO] |= offloads->by_master;
    if (config->max_segments_per_send == 1)
        sw_offload_leave_out(offloads, SW_OFFLOAD_UDP_SEGMENT, "max_segments_per_send is 1");
}

bool sw_offload_is_on(const struct sw_offloads *offloads, enum sw_offload which)
{
    return offloads->off[which][0] == '\0';
}

void sw_offload_deny(struct sw_offloads *offloads, enum sw_offload which, const char *format, ...)
{
    va_list arguments;
    if (!sw_offload_is_on(offloads, which)) return;
    va_start(arguments, format);
    vsnprintf(offloads->off[which], sizeof offloads->off[which], format, arguments);
    va_end(arguments);
}

void sw_offload_leave_out(struct sw_offloads *offloads, enum sw_offload which, const char *why)
{
    offloads->configured_off[which] = true;
    sw_offload_deny(offloads, which, "%s", why);
    if (which == SW_OFFLOAD_UDP_SEGMENT) offloads->max_segments = 1;
}

/* --- the TUN device ----------------------------------------------------------------------------*/

struct sw_tun_config sw_offload_tun_config(const struct sw_offloads *offloads, const char *name)
{
    struct sw_tun_config config = {
        .name = name,
        .read_tcp = sw_offload_is_on(offloads, SW_OFFLOAD_TUN_TSO),
        .read_udp = sw_offload_is_on(offloads, SW_OFFLOAD_TUN_USO),
    };
    config.framing = config.read_tcp || config.read_udp ||
                     sw_offload_is_on(offloads, SW_OFFLOAD_TUN_GRO) ||
                     sw_offload_is_on(offloads, SW_OFFLOAD_TUN_GRO_UDP);
    return config;
}

void sw_offload_tun_opened(struct sw_offloads *offloads, const struct sw_tun *tun)
{
    if (!tun->framing) {
        for (enum sw_offload i = SW_OFFLOAD_TUN_TSO; i <= SW_OFFLOAD_TUN_GRO_UDP; i++)
            sw_offload_deny(offloads, i, "%s has no virtio header", tun->name);
        return;
    }
    if (!sw_tun_reads_tcp(tun))
        sw_offload_deny(offloads, SW_OFFLOAD_TUN_TSO,
                        "the kernel refuses segmentation offload on TUN devices (%s)",
                        strerror(tun->mask_error));
    if (!sw_tun_reads_udp(tun))
        sw_offload_deny(offloads, SW_OFFLOAD_TUN_USO, "the kernel refuses it on TUN devices (%s)",
                        strerror(tun->mask_error));
}

/* --- the verdict -------------------------------------------------------------------------------*/

static void log_what_is_off(const struct sw_offloads *offloads)
{
    if (!offloads->allowed) {
        sw_log_info("every packet goes alone: enable_tun_offload is false");
        return;
    }
    for (enum sw_offload i = 0; i < SW_OFFLOADS; i++) {
        if (sw_offload_is_on(offloads, i)) continue;
        sw_log_at(offloads->configured_off[i] ? SW_LOG_INFO : SW_LOG_WARN, "%s is off: %s",
                  features[i].name, offloads->off[i]);
    }
}

int sw_offload_judge(const struct sw_offloads *offloads, char *why, size_t why_size)
{
    for (enum sw_offload i = 0; i < SW_OFFLOADS; i++) {
        if (!offloads->required[i] || sw_offload_is_on(offloads, i)) continue;
        bool master = i == SW_OFFLOAD_TUN_TSO && offloads->by_master;
        snprintf(why, why_size, "%s is true, but %s is off: %s",
                 master ? "enable_tun_offload" : features[i].option, features[i].name,
                 offloads->off[i]);
        return SW_EINVAL;
    }
    log_what_is_off(offloads);
    return 0;
}

const char *sw_offload_summary(const struct sw_offloads *offloads, char *buffer, size_t size)
{
    size_t n = 0, used = 0;
    buffer[0] = '\0';
    for (enum sw_offload i = 0; i < SW_OFFLOADS; i++) {
        if (sw_offload_is_on(offloads, i)) continue;
        int len = snprintf(buffer + used, size - used, "%s%s", n++ == 0 ? "on without " : ", ",
                           features[i].name);
        used += (size_t)len < size - used ? (size_t)len : size - used - 1;
    }
    if (n == 0) return "on";
    return n == SW_OFFLOADS ? "off" : buffer;
}

static json_t *status_of(const struct sw_offloads *offloads, enum sw_offload which,
                         const json_t *metrics)
{
    if (!sw_offload_is_on(offloads, which)) return json_sprintf("off: %s", offloads->off[which]);
    const char *gauge = features[which].latched;
    if (gauge == NULL || json_integer_value(json_object_get(metrics, gauge)) == 0)
        return json_string("on");
    return json_string("off for some minutes: the kernel refused it, see the log");
}

json_t *sw_offload_status(const struct sw_offloads *offloads, const json_t *metrics)
{
    json_t *out = json_object();
    for (enum sw_offload i = 0; i < SW_OFFLOADS; i++)
        json_object_set_new(out, features[i].name, status_of(offloads, i, metrics));
    return out;
}
