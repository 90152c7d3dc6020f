/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIM_PLUGIN_RIG_H
#define SIM_PLUGIN_RIG_H

/* A plugin that does as it is told, and two nodes on either transport for it to be put between. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "tests/sim/expected.h"
#include "tests/sim/stream.h"

/* --- a plugin that does as it is told --------------------------------------------------------- */

static struct told {
    char name;
    enum sw_plugin_verdict in, out;
    unsigned ins, outs, opened, closed;
    bool refuses; /* open fails */
    size_t longest;
} tolds[3];

static char order[32];

static inline void note(char name)
{
    size_t len = strlen(order);
    if (len + 1 < sizeof order) order[len] = name;
}

/* Turns a packet round, as an answer would be. */
static inline void turn(struct sw_plugin_buffer *buffer)
{
    uint8_t source[4];
    memcpy(source, buffer->data + 12, 4);
    memcpy(buffer->data + 12, buffer->data + 16, 4);
    memcpy(buffer->data + 16, source, 4);
}

static inline void *told_open(const struct sw_plugin *plugin, struct sw_conn *conn)
{
    struct told *told = plugin->user;
    (void)conn;
    if (told->refuses) return NULL;
    told->opened++;
    return told;
}

static inline void told_close(void *instance)
{
    ((struct told *)instance)->closed++;
}

static inline enum sw_plugin_verdict told_in(void *instance, struct sw_conn *conn,
                                             struct sw_plugin_buffer *buffer)
{
    struct told *told = instance;
    (void)conn;
    note(told->name);
    told->ins++;
    if (buffer->len > told->longest) told->longest = buffer->len;
    if (told->in == SW_PLUGIN_REPLY) turn(buffer);
    return told->in;
}

static inline enum sw_plugin_verdict told_out(void *instance, struct sw_conn *conn,
                                              struct sw_plugin_buffer *buffer)
{
    struct told *told = instance;
    (void)conn;
    note(told->name);
    told->outs++;
    if (told->out == SW_PLUGIN_REPLY) turn(buffer);
    return told->out;
}

#define TOLD(i)                                                                                    \
    {                                                                                              \
        .name = "told", .user = &tolds[i], .open = told_open, .close = told_close,                 \
        .ingress = told_in, .egress = told_out                                                     \
    }
static const struct sw_plugin told_plugins[] = {TOLD(0), TOLD(1), TOLD(2)};
static const struct sw_plugin *const three[] = {&told_plugins[0], &told_plugins[1],
                                                &told_plugins[2]};

static inline void reset(void)
{
    memset(tolds, 0, sizeof tolds);
    for (int i = 0; i < 3; i++)
        tolds[i].name = (char)('a' + i);
    memset(order, 0, sizeof order);
}

/* --- two nodes, either transport -------------------------------------------------------------- */

struct line {
    struct world world;
    struct stream stream;
    bool is_stream;
    struct node *server, *client;
};

/* Nodes that are not connected yet, for plugins to be put into their configurations. */
static inline void line_nodes(struct line *line, uint64_t seed, bool is_stream)
{
    memset(line, 0, sizeof *line);
    line->is_stream = is_stream;
    world_init(&line->world, seed);
    line->server = world_server(&line->world, false);
    line->client = world_client(&line->world, &(struct client_options){0});
}

static inline void line_connect(struct line *line)
{
    world_restart(line->server);
    world_restart(line->client);
    if (line->is_stream)
        stream_open(&line->stream, line->server, line->client, 1000);
    else
        assert_non_null(world_connect(line->client, line->server));
    world_check(&line->world, world_run(&line->world, 5 * SW_SECOND, world_both_online));
    world_run(&line->world, SW_SECOND, NULL);
}

static inline void line_send(struct line *line, struct node *from, uint8_t *packet, size_t len)
{
    world_send(from, from->conn, packet, len);
    if (line->is_stream) stream_pump(&line->stream);
    world_run(&line->world, SW_SECOND / 10, NULL);
}

/* One checked packet each way; whether both arrived. */
static inline bool line_carries(struct line *line)
{
    struct expected at_client = {0}, at_server = {0};
    uint8_t packet[1500];

    expect_at(line->client, &at_client);
    expect_at(line->server, &at_server);
    expect(&at_server, packet, world_packet(packet, POOL_FIRST_IP, REMOTE_IP, 1, 900));
    line_send(line, line->client, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 900));
    expect(&at_client, packet, world_packet(packet, REMOTE_IP, TUN_IP, 2, 1000));
    line_send(line, line->server, packet, world_packet(packet, REMOTE_IP, POOL_FIRST_IP, 2, 1000));
    bool carries = all_arrived(&at_client) && all_arrived(&at_server);
    free(at_client.bytes);
    free(at_server.bytes);
    line->client->inside = line->server->inside = NULL;
    return carries;
}

static inline void line_end(struct line *line)
{
    world_check(&line->world, line->server->closed == 0 && line->client->closed == 0);
    if (line->is_stream) stream_free(&line->stream);
    world_end(&line->world);
}

#endif
