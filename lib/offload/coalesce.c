/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Flows and their order (docs/offload.md C.2, F.13). What may be merged is decided in run.c.
 *
 * A few runs are open at once, one per flow. They stand in a list with the one touched last at its
 * head: bulk flows arrive in bursts, so the first comparison usually finds the flow, and the end of
 * the list is what to write when a place is needed. The same list keeps the free places behind the
 * open ones, last used first, so that a single flow always fills the same, cached, buffer.
 *
 * Order within a flow: a packet that cannot join its flow's run is written, or begins a new run,
 * only after that run was written. A packet whose ports are not to be had (a fragment, IP options)
 * might belong to any flow between its addresses and lets all of them go first.
 */

#include "lib/offload/coalesce.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/offload/packet.h"
#include "lib/offload/run.h"

/* A few cache lines more than a run, or else the heads of all buffers would share cache sets. */
#define BUFFER_STRIDE (SW_RUN_BYTES + 5 * 64)

struct sw_coalesce {
    int (*write)(void *user, const struct sw_vnet *vnet, const uint8_t *packet, size_t len);
    void *user;
    bool allow_tcp, allow_udp;
    unsigned open; /* runs */
    uint8_t
        order[SW_COALESCE_FLOWS]; /* of runs: the open ones, last touched first; then free ones */
    struct sw_run runs[SW_COALESCE_FLOWS];
    struct sw_coalesce_counters counters;
    uint8_t *buffers;
};

static const char *const reason_names[SW_COALESCE_REASONS] = {
    [SW_COALESCE_NOT] = "none",
    [SW_COALESCE_LENGTH] = "length",
    [SW_COALESCE_OPTIONS] = "options",
    [SW_COALESCE_FRAGMENT] = "fragment",
    [SW_COALESCE_PROTOCOL] = "protocol",
    [SW_COALESCE_HEADER] = "header",
    [SW_COALESCE_FLAGS] = "flags",
    [SW_COALESCE_EMPTY] = "empty",
    [SW_COALESCE_NO_CHECKSUM] = "no_checksum",
    [SW_COALESCE_CHECKSUM] = "checksum",
    [SW_COALESCE_PUSHED] = "pushed",
    [SW_COALESCE_FIELDS] = "fields",
    [SW_COALESCE_ID] = "id",
    [SW_COALESCE_SEQUENCE] = "sequence",
    [SW_COALESCE_SIZE] = "size",
    [SW_COALESCE_FULL] = "full",
};

const char *sw_coalesce_reason_name(enum sw_coalesce_reason reason)
{
    assert((unsigned)reason < SW_COALESCE_REASONS);
    return reason_names[reason];
}

struct sw_coalesce *sw_coalesce_new(int (*write)(void *user, const struct sw_vnet *vnet,
                                                 const uint8_t *packet, size_t len),
                                    void *user)
{
    struct sw_coalesce *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->buffers = malloc((size_t)SW_COALESCE_FLOWS * BUFFER_STRIDE);
    if (c->buffers == NULL) {
        free(c);
        return NULL;
    }
    c->write = write;
    c->user = user;
    c->allow_tcp = true;
    c->allow_udp = true;
    for (unsigned i = 0; i < SW_COALESCE_FLOWS; i++) {
        c->order[i] = (uint8_t)i;
        c->runs[i].buffer = c->buffers + (size_t)i * BUFFER_STRIDE;
    }
    return c;
}

void sw_coalesce_free(struct sw_coalesce *c)
{
    if (c == NULL) return;
    free(c->buffers);
    free(c);
}

const struct sw_coalesce_counters *sw_coalesce_counters(const struct sw_coalesce *c)
{
    return &c->counters;
}

/* --- writing ------------------------------------------------------------------------------------
 */

static void write_packets(struct sw_coalesce *c, const struct sw_vnet *vnet, const uint8_t *packet,
                          size_t len, unsigned count)
{
    if (count > 1) {
        c->counters.superpackets++;
        c->counters.merged += count;
    } else {
        c->counters.singles++;
    }
    if (c->write(c->user, vnet, packet, len) < 0) c->counters.unwritten += count;
}

static void write_alone(struct sw_coalesce *c, const uint8_t *packet, size_t len)
{
    const struct sw_vnet plain = {0};
    write_packets(c, &plain, packet, len, 1);
}

/* Writes the run at a position of the list; its place becomes the first free one. */
static void write_run(struct sw_coalesce *c, unsigned position)
{
    uint8_t index = c->order[position];
    struct sw_run *run = &c->runs[index];
    struct sw_vnet vnet;

    assert(position < c->open);
    sw_run_finish(run, &vnet);
    write_packets(c, &vnet, run->buffer, run->len, run->count);
    c->open--;
    memmove(c->order + position, c->order + position + 1, c->open - position);
    c->order[c->open] = index;
}

void sw_coalesce_flush(struct sw_coalesce *c)
{
    while (c->open > 0)
        write_run(c, c->open - 1);
}

void sw_coalesce_allow(struct sw_coalesce *c, bool tcp, bool udp)
{
    sw_coalesce_flush(c);
    c->allow_tcp = tcp;
    c->allow_udp = udp;
}

/* --- flows --------------------------------------------------------------------------------------
 */

/* Moves what stands at a position to the head of the list. */
static void touch(struct sw_coalesce *c, unsigned position)
{
    uint8_t index = c->order[position];
    memmove(c->order + 1, c->order, position);
    c->order[0] = index;
}

/* The open run of a flow, now at the head of the list, or NULL. */
static struct sw_run *find(struct sw_coalesce *c, const struct sw_flow *flow)
{
    for (unsigned i = 0; i < c->open; i++) {
        struct sw_run *run = &c->runs[c->order[i]];
        if (run->flow.addresses != flow->addresses || run->flow.ports != flow->ports ||
            run->flow.protocol != flow->protocol)
            continue;
        if (i > 0) touch(c, i);
        return run;
    }
    return NULL;
}

static void write_flows_between(struct sw_coalesce *c, const struct sw_flow *flow)
{
    for (unsigned i = c->open; i-- > 0;) {
        const struct sw_run *run = &c->runs[c->order[i]];
        if (run->flow.addresses == flow->addresses && run->flow.protocol == flow->protocol)
            write_run(c, i);
    }
}

static enum sw_coalesce_reason start(struct sw_coalesce *c, const struct sw_run_packet *p)
{
    if (p->last) return SW_COALESCE_PUSHED;
    if (c->open == SW_COALESCE_FLOWS) {
        c->counters.evicted++;
        write_run(c, c->open - 1);
    }
    enum sw_coalesce_reason why = sw_run_start(&c->runs[c->order[c->open]], p);
    if (why == SW_COALESCE_NOT) touch(c, c->open++);
    return why;
}

static bool allowed(const struct sw_coalesce *c, uint8_t protocol)
{
    return protocol == SW_IPPROTO_TCP ? c->allow_tcp : c->allow_udp;
}

/* The packet did not join: it begins a run if it can, and is written if not. */
static void stand_apart(struct sw_coalesce *c, const struct sw_run_packet *p,
                        enum sw_coalesce_reason why)
{
    if (why >= SW_COALESCE_FIELDS) {
        c->counters.reasons[why]++;
        why = SW_COALESCE_NOT;
    }
    if (why == SW_COALESCE_NOT) why = start(c, p);
    if (why == SW_COALESCE_NOT) return;
    c->counters.reasons[why]++;
    write_alone(c, p->data, p->len);
}

void sw_coalesce_push(struct sw_coalesce *c, const uint8_t *packet, size_t len)
{
    struct sw_run_packet p;
    enum sw_coalesce_reason why = sw_run_examine(packet, len, &p);
    struct sw_run *run = NULL;

    c->counters.packets++;
    if (why == SW_COALESCE_NOT && !allowed(c, p.flow.protocol)) why = SW_COALESCE_PROTOCOL;
    if (p.scope == SW_FLOW_PORTS) {
        run = find(c, &p.flow);
    } else if (p.scope == SW_FLOW_ADDRESSES) {
        write_flows_between(c, &p.flow);
    }
    if (run != NULL) {
        if (why == SW_COALESCE_NOT) why = sw_run_join(run, &p);
        if (why == SW_COALESCE_NOT && !run->closed) return;
        write_run(c, 0);
        if (why == SW_COALESCE_NOT) return;
    }
    stand_apart(c, &p, why);
}
