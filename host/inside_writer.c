/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The coalescer's output goes to the TUN. A device without framing takes single packets only, and
 * then nothing is put together. A kernel that refuses a kind of superpacket gets the same packets
 * singly, cut by the segmenter, so the refusal costs nothing but time; the kind is then left alone
 * for some minutes.
 */

#include "host/inside_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/offload/segment.h"

#define SW_LOG_TARGET "tun"
#include "host/log.h"

#define RETRY_AFTER (10 * SW_MINUTE)

enum kind { TCP, UDP, KINDS };

static const char *const kind_names[KINDS] = {"TCP", "UDP"};

struct sw_inside_writer {
    struct sw_tun *tun;
    struct sw_coalesce *coalesce;
    struct sw_inside_writer_counters counters;
    sw_time now;
    sw_time off_until[KINDS]; /* 0: in use */
    bool changed;             /* off_until is news to the coalescer */
    uint8_t segment[65536];
};

static bool is_refusal(int error)
{
    return error == EINVAL || error == EIO || error == EOPNOTSUPP || error == EMSGSIZE;
}

/* The same packets, one by one. */
static void write_singly(struct sw_inside_writer *writer, const struct sw_vnet *vnet,
                         const uint8_t *packet, size_t len)
{
    struct sw_segmenter segmenter;

    if (sw_segmenter_init(&segmenter, packet, len, vnet, NULL) < 0) {
        writer->tun->counters.write_errors++;
        return;
    }
    for (unsigned i = 0; i < segmenter.count; i++) {
        sw_segment_build(&segmenter, i, writer->segment);
        sw_tun_write(writer->tun, writer->segment, sw_segment_len(&segmenter, i));
        writer->counters.resent_segments++;
    }
}

static void latch(struct sw_inside_writer *writer, const struct sw_vnet *vnet, int error)
{
    enum kind kind = vnet->gso_type == SW_GSO_UDP_L4 ? UDP : TCP;

    if (writer->off_until[kind] != 0) return;
    writer->off_until[kind] = writer->now + RETRY_AFTER;
    writer->changed = true;
    writer->counters.latched++;
    sw_log_warn("%s takes no %s superpackets (%s): packets go singly, next try in %u minutes",
                writer->tun->name, kind_names[kind], strerror(error),
                (unsigned)(RETRY_AFTER / SW_MINUTE));
}

static int write_out(void *user, const struct sw_vnet *vnet, const uint8_t *packet, size_t len)
{
    struct sw_inside_writer *writer = user;

    if (sw_tun_write_super(writer->tun, vnet, packet, len) == 0) return 0;
    int error = errno;
    if (!sw_vnet_is_super(vnet)) {
        writer->tun->counters.write_errors++;
        sw_log_rate(SW_LOG_DEBUG, "writing to %s: %s", writer->tun->name, strerror(error));
        return SW_EINVAL;
    }
    writer->counters.refused++;
    if (is_refusal(error)) latch(writer, vnet, error);
    write_singly(writer, vnet, packet, len);
    return 0;
}

struct sw_inside_writer *sw_inside_writer_new(struct sw_tun *tun)
{
    struct sw_inside_writer *writer = malloc(sizeof *writer);

    if (writer == NULL) return NULL;
    memset(writer, 0, offsetof(struct sw_inside_writer, segment));
    writer->tun = tun;
    writer->coalesce = sw_coalesce_new(write_out, writer);
    if (writer->coalesce == NULL) {
        free(writer);
        return NULL;
    }
    if (!tun->framing) sw_coalesce_allow(writer->coalesce, false, false);
    return writer;
}

void sw_inside_writer_free(struct sw_inside_writer *writer)
{
    if (writer == NULL) return;
    sw_coalesce_free(writer->coalesce);
    free(writer);
}

void sw_inside_writer_push(struct sw_inside_writer *writer, const uint8_t *packet, size_t len)
{
    if (writer->tun->framing)
        sw_coalesce_push(writer->coalesce, packet, len);
    else
        sw_tun_write(writer->tun, packet, len);
}

/* Kinds that may be tried again. */
static void retry(struct sw_inside_writer *writer)
{
    for (enum kind kind = TCP; kind < KINDS; kind++) {
        if (writer->off_until[kind] == 0 || writer->now < writer->off_until[kind]) continue;
        writer->off_until[kind] = 0;
        writer->changed = true;
    }
}

void sw_inside_writer_flush(struct sw_inside_writer *writer, sw_time now)
{
    writer->now = now;
    sw_coalesce_flush(writer->coalesce);
    retry(writer);
    if (!writer->changed) return;
    writer->changed = false;
    sw_coalesce_allow(writer->coalesce, writer->off_until[TCP] == 0, writer->off_until[UDP] == 0);
}

const struct sw_inside_writer_counters *
sw_inside_writer_counters(const struct sw_inside_writer *writer)
{
    return &writer->counters;
}

const struct sw_coalesce_counters *sw_inside_writer_merged(const struct sw_inside_writer *writer)
{
    return sw_coalesce_counters(writer->coalesce);
}
