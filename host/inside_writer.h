/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_INSIDE_WRITER_H
#define SW_HOST_INSIDE_WRITER_H

/*
 * What comes out of the tunnel, on its way into the TUN: put together to superpackets where the
 * device takes them, and taken apart again where it turns out not to (docs/offload.md E.3, F.13).
 */

#include "host/tun.h"
#include "lib/offload/coalesce.h"

/** Kinds of superpackets. */
enum sw_inside_kind { SW_INSIDE_TCP, SW_INSIDE_UDP, SW_INSIDE_KINDS };

struct sw_inside_writer_counters {
    uint64_t refused;              /**< superpackets that the kernel did not take */
    uint64_t resent_segments;      /**< packets they were written as instead */
    uint64_t latched;              /**< how often a kind of superpacket was switched off */
    uint64_t off[SW_INSIDE_KINDS]; /**< 1: this kind is switched off now */
};

struct sw_inside_writer;

/** tun must have its final place, and says what it takes. NULL: out of memory. */
struct sw_inside_writer *sw_inside_writer_new(struct sw_tun *tun);
void sw_inside_writer_free(struct sw_inside_writer *writer);

/** One whole packet; written by the next flush at the latest. */
void sw_inside_writer_push(struct sw_inside_writer *writer, const uint8_t *packet, size_t len);

/** At the end of every wake-up. */
void sw_inside_writer_flush(struct sw_inside_writer *writer, sw_time now);

const struct sw_inside_writer_counters *
sw_inside_writer_counters(const struct sw_inside_writer *writer);
const struct sw_coalesce_counters *sw_inside_writer_merged(const struct sw_inside_writer *writer);

#endif
