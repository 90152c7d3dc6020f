/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The source guard (docs/protocol/session.md §20). Every client, stock ones included, writes the
 * address it was told over the source of what it sends, and the server writes the client's own
 * inside address over that. So a packet with any other source did not take that way: it is an
 * accident or a lie, and giving it a good address would only make it somebody's puzzle.
 */

#include "lib/engine/engine.h"

#define IP4_SOURCE     12
#define IP4_HEADER_MIN 20

static enum sw_plugin_verdict check(void *instance, struct sw_conn *conn,
                                    struct sw_plugin_buffer *buffer)
{
    struct sw_engine *engine = conn->engine;

    (void)instance;
    if (buffer->len >= IP4_HEADER_MIN &&
        sw_get_be32(buffer->data + IP4_SOURCE) == engine->config.client_ip)
        return SW_PLUGIN_ACCEPT;
    engine->counters.inside_source_refused++;
    return SW_PLUGIN_DROP;
}

const struct sw_plugin *sw_source_guard(void)
{
    static const struct sw_plugin guard = {.name = "source-guard", .egress = check};
    return &guard;
}
