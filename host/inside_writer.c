/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The coalescer's output goes to the TUN. A device without framing takes single packets only, and
 * then nothing is put together.
 *
 * A superpacket that the kernel refuses is written as the packets it was made of, cut by the
 * segmenter, so the refusal costs nothing but time. Only if one of these passes is the superpacket
 * to blame: a device that is down refuses everything. Its kind is then left alone for some minutes
 * and tried again. A want of memory is no refusal; a small packet may well find some.
 */

#include "host/inside_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/offload/segment.h"

#define SW_LOG_TARGET "tun"
#include "host/log.h"

#define RETRY_AFTER (10 * SW_MINUTE)

static const char *const kind_names[SW_INSIDE_KINDS] = {"TCP", "UDP"};

/* A kind of superpacket. */
struct kind {
    bool off;      /* not used for now … */
    sw_time until; /* … until then; 0: counts from the next flush on */
    bool on_trial; /* in use again, but not one was taken yet */
};

struct sw_inside_writer {
    struct sw_tun *tun;
    struct sw_coalesce *coalesce;
    struct sw_inside_writer_counters counters;
    struct kind kinds[SW_INSIDE_KINDS];
    uint8_t segment[65536];
};

static enum sw_inside_kind kind_of(const struct sw_vnet *vnet)
{
    return vnet->gso_type == SW_GSO_UDP_L4 ? SW_INSIDE_UDP : SW_INSIDE_TCP;
}

static bool is_refusal(int error)
{
    return error == EINVAL || error == EIO || error == EOPNOTSUPP || error == EMSGSIZE;
}

static void latch(struct sw_inside_writer *writer, enum sw_inside_kind kind, int error)
{
    if (writer->kinds[kind].off) return;
    writer->kinds[kind] = (struct kind){.off = true};
    writer->counters.off[kind] = 1;
    writer->counters.latched++;
    sw_log_warn("%s takes no %s superpackets (%s): packets go singly, next try in %u minutes",
                writer->tun->name, kind_names[kind], strerror(error),
                (unsigned)(RETRY_AFTER / SW_MINUTE));
}

/* The same packets, one by one. */
static void write_singly(struct sw_inside_writer *writer, const struct sw_vnet *vnet,
                         const uint8_t *packet, size_t len, int error)
{
    struct sw_segmenter segmenter;
    bool passed = false;

    if (sw_segmenter_init(&segmenter, packet, len, vnet, NULL) < 0) {
        sw_tun_refused(writer->tun, error);
        return;
    }
    for (unsigned i = 0; i < segmenter.count; i++) {
        sw_segment_build(&segmenter, i, writer->segment);
        if (!sw_tun_write(writer->tun, writer->segment, sw_segment_len(&segmenter, i))) continue;
        writer->counters.resent_segments++;
        passed = true;
    }
    if (passed && is_refusal(error)) latch(writer, kind_of(vnet), error);
}

static void end_trial(struct sw_inside_writer *writer, enum sw_inside_kind kind)
{
    writer->kinds[kind].on_trial = false;
    sw_log_info("%s takes %s superpackets again", writer->tun->name, kind_names[kind]);
}

static int write_out(void *user, const struct sw_vnet *vnet, const uint8_t *packet, size_t len)
{
    struct sw_inside_writer *writer = user;
    bool super = sw_vnet_is_super(vnet);

    if (sw_tun_write_super(writer->tun, vnet, packet, len) == 0) {
        if (super && writer->kinds[kind_of(vnet)].on_trial) end_trial(writer, kind_of(vnet));
        return 0;
    }
    int error = errno;
    if (!super) {
        sw_tun_refused(writer->tun, error);
        return SW_EINVAL;
    }
    writer->counters.refused++;
    write_singly(writer, vnet, packet, len, error);
    return 0;
}

static void tell_coalescer(struct sw_inside_writer *writer)
{
    const struct sw_tun *tun = writer->tun;
    sw_coalesce_allow(writer->coalesce,
                      tun->framing && tun->takes_tcp && !writer->kinds[SW_INSIDE_TCP].off,
                      tun->framing && tun->takes_udp && !writer->kinds[SW_INSIDE_UDP].off);
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
    tell_coalescer(writer);
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

/* When a kind that is off may be tried again. True: the coalescer has to know something new. */
static bool retry(struct sw_inside_writer *writer, enum sw_inside_kind which, sw_time now)
{
    struct kind *kind = &writer->kinds[which];

    if (!kind->off) return false;
    if (kind->until == 0) {
        kind->until = now + RETRY_AFTER;
        return true;
    }
    if (now < kind->until) return false;
    *kind = (struct kind){.on_trial = true};
    writer->counters.off[which] = 0;
    return true;
}

void sw_inside_writer_flush(struct sw_inside_writer *writer, sw_time now)
{
    sw_coalesce_flush(writer->coalesce);
    bool tcp = retry(writer, SW_INSIDE_TCP, now);
    bool udp = retry(writer, SW_INSIDE_UDP, now);
    if (tcp || udp) tell_coalescer(writer);
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
