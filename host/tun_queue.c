/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Time is cut into windows. One in which the average read was long means bulk traffic: the queue
 * becomes short at once, since every millisecond of it is somebody's latency. It becomes long again
 * only after seconds without superpackets, because every change has a price: the kernel takes the
 * device's queue discipline away for a moment, and what is sent in that moment is lost. A burst of
 * small packets long after the flow finds the room it is used to.
 */

#include "host/tun_queue.h"

#include <errno.h>
#include <string.h>

#define SW_LOG_TARGET "tun"
#include "host/log.h"

#define WINDOW    (20 * SW_MILLISECOND)
#define LONG_READ 8192 /* bytes: several packets in one */

static unsigned wanted(const struct sw_tun_queue *queue)
{
    return atomic_load(queue->bulk) > 0 ? SW_TUN_QUEUE_SUPER : SW_TUN_QUEUE_PACKETS;
}

/* Another worker may set it at the same time, to what was right a moment ago; so whoever has set it
 * looks once more. */
static void set_device(struct sw_tun_queue *queue)
{
    unsigned length;
    do {
        length = wanted(queue);
        if (sw_netlink_link_queue(queue->nl, queue->index, length) < 0) {
            sw_log_warn("the queue of the TUN device stays as it is: %s", strerror(errno));
            sw_tun_queue_close(queue);
            return;
        }
    } while (length != wanted(queue));
}

static void set_length(struct sw_tun_queue *queue, unsigned length)
{
    unsigned before = queue->length;
    if (before == length) return;
    queue->length = length;
    queue->changes++;
    queue->is_short = length == SW_TUN_QUEUE_SUPER;
    if (length == SW_TUN_QUEUE_SUPER) {
        if (atomic_fetch_add(queue->bulk, 1) == 0) set_device(queue);
    } else if (before == SW_TUN_QUEUE_SUPER) {
        if (atomic_fetch_sub(queue->bulk, 1) == 1) set_device(queue);
    } else {
        set_device(queue);
    }
}

void sw_tun_queue_open(struct sw_tun_queue *queue, const struct sw_tun *tun, _Atomic unsigned *bulk)
{
    memset((void *)queue, 0, sizeof *queue);
    queue->bulk = bulk != NULL ? bulk : &queue->alone;
    if (tun->existed || !tun->framing) return;
    queue->nl = sw_netlink_open();
    queue->index = tun->index;
    if (queue->nl != NULL) set_length(queue, SW_TUN_QUEUE_PACKETS);
}

void sw_tun_queue_close(struct sw_tun_queue *queue)
{
    if (queue->length == SW_TUN_QUEUE_SUPER) atomic_fetch_sub(queue->bulk, 1);
    sw_netlink_close(queue->nl);
    queue->nl = NULL;
    queue->length = 0;
    queue->is_short = 0;
}

void sw_tun_queue_look(struct sw_tun_queue *queue, const struct sw_tun_counters *counters,
                       sw_time now)
{
    if (queue->nl == NULL || now < queue->window_end) return;
    uint64_t reads = counters->reads - queue->reads;
    uint64_t bytes = counters->read_bytes - queue->bytes;
    queue->reads = counters->reads;
    queue->bytes = counters->read_bytes;
    queue->window_end = now + WINDOW;
    if (reads > 0 && bytes / reads >= LONG_READ) {
        queue->quiet = 0;
        set_length(queue, SW_TUN_QUEUE_SUPER);
    } else if (++queue->quiet >= SW_TUN_QUEUE_QUIET) {
        set_length(queue, SW_TUN_QUEUE_PACKETS);
    }
}
