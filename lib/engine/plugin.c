/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Plugin chains (docs/protocol/session.md §15): walked, and their verdicts counted. What a verdict
 * means is done where the packet is: in send.c, receive.c, listener.c and output.c.
 *
 * Plugins work where the packet lies. Only a chain that may add bytes has its packets copied to
 * where there is room for them, and streams are copied because their bytes are not ours to change.
 * A plugin that claims more than it was given is out of contract; it is asserted, and cut off in a
 * build without assertions.
 */

#include "lib/engine/plugin.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/engine/engine.h"

static size_t growth(const struct sw_plugin_list *list)
{
    size_t sum = 0;

    for (size_t i = 0; i < list->count; i++)
        sum += list->plugins[i]->grows;
    return sum;
}

static void close_some(const struct sw_plugin_list *list, void **instances, size_t count)
{
    while (count-- > 0) {
        const struct sw_plugin *plugin = list->plugins[count];
        if (plugin->open != NULL && plugin->close != NULL) plugin->close(instances[count]);
    }
}

static int open_all(const struct sw_plugin_list *list, void **instances, struct sw_conn *conn)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct sw_plugin *plugin = list->plugins[i];
        instances[i] = plugin->open != NULL ? plugin->open(plugin, conn) : plugin->user;
        if (plugin->open != NULL && instances[i] == NULL) {
            close_some(list, instances, i);
            return SW_ENOMEM;
        }
    }
    return 0;
}

/* An empty list needs no copy. */
static int copy_list(const struct sw_plugin_list *from, struct sw_plugin_list *to)
{
    if (from->count == 0) return 0;
    const struct sw_plugin **plugins = calloc(from->count, sizeof *plugins);
    if (plugins == NULL) return SW_ENOMEM;
    memcpy(plugins, from->plugins, from->count * sizeof *plugins);
    *to = (struct sw_plugin_list){plugins, from->count};
    return 0;
}

static void free_list(struct sw_plugin_list *list)
{
    free((void *)(uintptr_t)list->plugins);
}

/* Rooms that nobody needs stay NULL. */
static int make_rooms(struct sw_plugins *p)
{
    size_t outside = SW_PLUGIN_PIECE + p->outside_grows;

    if (p->inside_grows > 0) p->packet = malloc(SW_PLUGIN_PIECE + p->inside_grows);
    if (p->outside.count > 0) p->incoming = malloc(outside);
    if (p->outside.count > 0) p->outgoing = malloc(outside);
    bool have = (p->inside_grows == 0 || p->packet != NULL) &&
                (p->outside.count == 0 || (p->incoming != NULL && p->outgoing != NULL));
    return have ? 0 : SW_ENOMEM;
}

int sw_plugins_init(struct sw_engine *engine)
{
    struct sw_plugins *p = &engine->plugins;

    if (copy_list(&engine->config.inside_plugins, &p->inside) < 0 ||
        copy_list(&engine->config.outside_plugins, &p->outside) < 0)
        return SW_ENOMEM;
    p->inside_grows = growth(&p->inside);
    p->outside_grows = growth(&p->outside);
    if (p->inside_grows > SW_PLUGIN_PIECE || p->outside_grows > SW_PLUGIN_GROWTH_MAX)
        return SW_EINVAL;
    if (make_rooms(p) < 0) return SW_ENOMEM;
    if (p->outside.count == 0) return 0;
    p->shared = calloc(p->outside.count, sizeof *p->shared);
    if (p->shared == NULL) return SW_ENOMEM;
    int r = open_all(&p->outside, p->shared, NULL);
    if (r < 0) {
        free(p->shared);
        p->shared = NULL;
    }
    return r;
}

void sw_plugins_release(struct sw_engine *engine)
{
    struct sw_plugins *p = &engine->plugins;

    if (p->shared != NULL) close_some(&p->outside, p->shared, p->outside.count);
    free(p->shared);
    free_list(&p->inside);
    free_list(&p->outside);
    free(p->packet);
    free(p->incoming);
    free(p->outgoing);
}

/* The inside plugins' instances come first. */
int sw_plugins_attach(struct sw_conn *conn)
{
    const struct sw_plugins *p = &conn->engine->plugins;
    size_t count = p->inside.count + p->outside.count;

    if (count == 0) return 0;
    void **instances = calloc(count, sizeof *instances);
    if (instances == NULL) return SW_ENOMEM;
    int r = open_all(&p->inside, instances, conn);
    if (r == 0) {
        r = open_all(&p->outside, instances + p->inside.count, conn);
        if (r < 0) close_some(&p->inside, instances, p->inside.count);
    }
    if (r < 0) {
        free(instances);
        return r;
    }
    conn->plugin_instances = instances;
    return 0;
}

void sw_plugins_detach(struct sw_conn *conn)
{
    const struct sw_plugins *p = &conn->engine->plugins;

    if (conn->plugin_instances == NULL) return;
    close_some(&p->outside, conn->plugin_instances + p->inside.count, p->outside.count);
    close_some(&p->inside, conn->plugin_instances, p->inside.count);
    free(conn->plugin_instances);
    conn->plugin_instances = NULL;
}

/* --- walking -----------------------------------------------------------------------------------*/

static bool stays_inside(struct sw_plugin_buffer *buffer)
{
    assert(buffer->len <= buffer->room);
    return buffer->len <= buffer->room;
}

static enum sw_plugin_verdict walk_in(const struct sw_plugin_list *list, void **instances,
                                      struct sw_conn *conn, struct sw_plugin_buffer *buffer)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct sw_plugin *plugin = list->plugins[i];
        if (plugin->ingress == NULL) continue;
        enum sw_plugin_verdict verdict = plugin->ingress(instances[i], conn, buffer);
        if (!stays_inside(buffer)) return SW_PLUGIN_ERROR;
        if (verdict != SW_PLUGIN_ACCEPT) return verdict;
    }
    return SW_PLUGIN_ACCEPT;
}

static enum sw_plugin_verdict walk_out(const struct sw_plugin_list *list, void **instances,
                                       struct sw_conn *conn, struct sw_plugin_buffer *buffer)
{
    for (size_t i = list->count; i-- > 0;) {
        const struct sw_plugin *plugin = list->plugins[i];
        if (plugin->egress == NULL) continue;
        enum sw_plugin_verdict verdict = plugin->egress(instances[i], conn, buffer);
        if (!stays_inside(buffer)) return SW_PLUGIN_ERROR;
        if (verdict != SW_PLUGIN_ACCEPT) return verdict;
    }
    return SW_PLUGIN_ACCEPT;
}

static enum sw_plugins_result count(struct sw_engine *engine, enum sw_plugin_verdict verdict)
{
    switch (verdict) {
    case SW_PLUGIN_ACCEPT:
        return SW_PLUGINS_PASS;
    case SW_PLUGIN_DROP:
        engine->counters.plugin_dropped++;
        return SW_PLUGINS_GONE;
    case SW_PLUGIN_REPLY:
        engine->counters.plugin_replied++;
        return SW_PLUGINS_REPLY;
    case SW_PLUGIN_ERROR:
        break;
    }
    engine->counters.plugin_failed++;
    return SW_PLUGINS_GONE;
}

static bool count_outside(struct sw_engine *engine, enum sw_plugin_verdict verdict)
{
    if (verdict == SW_PLUGIN_REPLY) verdict = SW_PLUGIN_DROP;
    return count(engine, verdict) == SW_PLUGINS_PASS;
}

/* --- the chains --------------------------------------------------------------------------------*/

enum sw_plugins_result sw_plugins_inside_in(struct sw_conn *conn, struct sw_inside_packet *packet)
{
    struct sw_engine *engine = conn->engine;
    struct sw_plugin_buffer buffer = {
        .data = packet->data,
        .len = packet->len,
        .room = packet->room > packet->len ? packet->room : packet->len,
        .vnet = &packet->vnet,
    };
    enum sw_plugins_result result =
        count(engine, walk_in(&engine->plugins.inside, conn->plugin_instances, conn, &buffer));

    packet->len = buffer.len;
    return result;
}

enum sw_plugins_result sw_plugins_inside_out(struct sw_conn *conn, uint8_t **data, size_t *len)
{
    struct sw_engine *engine = conn->engine;
    struct sw_plugins *p = &engine->plugins;
    struct sw_plugin_buffer buffer = {.data = *data, .len = *len, .room = *len};

    if (p->packet != NULL) {
        memcpy(p->packet, *data, *len);
        buffer.data = p->packet;
        buffer.room = *len + p->inside_grows;
    }
    enum sw_plugins_result result =
        count(engine, walk_out(&p->inside, conn->plugin_instances, conn, &buffer));
    *data = buffer.data;
    *len = buffer.len;
    return result;
}

static void **outside_instances(const struct sw_engine *engine, const struct sw_conn *conn)
{
    return conn != NULL ? conn->plugin_instances + engine->plugins.inside.count
                        : engine->plugins.shared;
}

bool sw_plugins_outside_in(struct sw_engine *engine, struct sw_conn *conn, const uint8_t **data,
                           size_t *len)
{
    struct sw_plugins *p = &engine->plugins;
    struct sw_plugin_buffer buffer = {
        .data = p->incoming, .len = *len, .room = *len + p->outside_grows};

    if (*len > SW_PLUGIN_PIECE) return false;
    memcpy(p->incoming, *data, *len);
    bool passes =
        count_outside(engine, walk_in(&p->outside, outside_instances(engine, conn), conn, &buffer));
    *data = buffer.data;
    *len = buffer.len;
    return passes;
}

bool sw_plugins_datagram_out(struct sw_engine *engine, struct sw_conn *conn, uint8_t *data,
                             size_t *len)
{
    struct sw_plugins *p = &engine->plugins;
    struct sw_plugin_buffer buffer = {.data = data, .len = *len, .room = *len + p->outside_grows};
    bool passes = count_outside(
        engine, walk_out(&p->outside, outside_instances(engine, conn), conn, &buffer));

    *len = buffer.len;
    return passes && buffer.len > 0;
}

bool sw_plugins_stream_out(struct sw_conn *conn, const uint8_t **data, size_t *len)
{
    struct sw_engine *engine = conn->engine;
    struct sw_plugins *p = &engine->plugins;

    if (*len > SW_PLUGIN_PIECE) return false;
    memcpy(p->outgoing, *data, *len);
    bool passes = sw_plugins_datagram_out(engine, conn, p->outgoing, len);
    *data = p->outgoing;
    return passes;
}
