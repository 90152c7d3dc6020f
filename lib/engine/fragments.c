/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Fragments, out and in (docs/protocol/session.md §18). A connection gets its store of incomplete
 * packets with the first fragment that needs it: most never see one.
 */

#include "lib/engine/fragments.h"

#include "lib/engine/engine.h"

_Static_assert(SW_FRAGMENTS_MAX <= SW_REASSEMBLY_PIECES, "what we send, we can put together");

bool sw_fragments_fit(const struct sw_conn *conn, size_t len)
{
    size_t most = (size_t)conn->limits.fragment * SW_FRAGMENTS_MAX;
    return len <= most && len <= SW_INSIDE_PACKET_MAX;
}

int sw_fragments_send(struct sw_conn *conn, const uint8_t *data, size_t len, bool encoded)
{
    struct sw_engine *engine = conn->engine;
    const size_t most = conn->limits.fragment;
    struct sw_frame frame = {
        .kind = encoded ? SW_FRAME_ENCODED_DATA_FRAG : SW_FRAME_DATA_FRAG,
        .frag = {.id = ++conn->fragment_id},
    };

    for (size_t at = 0; at < len; at += most) {
        size_t n = len - at < most ? len - at : most;
        if (sw_output_room(engine, n + SW_FRAME_FRAG_OVERHEAD + SW_DTLS_OVERHEAD) < 0)
            return SW_EAGAIN;
        frame.frag.offset = (uint32_t)at;
        frame.frag.more = at + n < len;
        frame.frag.data = (struct sw_span){data + at, n};
        if (sw_conn_send_frame(conn, &frame) < 0) return 0; /* counted */
        engine->counters.fragments_sent++;
    }
    engine->counters.inside_fragmented++;
    return 0;
}

bool sw_fragments_take(struct sw_conn *conn, const struct sw_frame_frag *frag, uint8_t **data,
                       size_t *len)
{
    struct sw_engine *engine = conn->engine;

    engine->counters.fragments_received++;
    if (conn->reassembly == NULL && sw_fragment_judge(frag) == SW_FRAGMENT_KEPT) {
        conn->reassembly = sw_reassembly_new();
        if (conn->reassembly == NULL) {
            engine->counters.fragment_fates[SW_FRAGMENT_EVICTED]++;
            return false;
        }
        engine->counters.conn_alloc_frag_map++;
    }
    *data = engine->whole;
    return sw_reassembly_add(conn->reassembly, frag, engine->env.now, engine->whole, len,
                             engine->counters.fragment_fates) == SW_FRAGMENT_COMPLETES;
}
