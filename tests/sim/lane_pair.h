/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIM_LANE_PAIR_H
#define SIM_LANE_PAIR_H

/* A server and a client with Expresslane, and traffic between them that is counted and checked. */

#include "lib/engine/engine.h"
#include "tests/sim/world.h"

/** Bytes of a datagram with one config frame in it. */
#define CONFIG_DATAGRAM (SW_HEADER_LEN + SW_DTLS_OVERHEAD + 45)

struct pair {
    struct world world;
    struct node *server, *client;
    unsigned good[2], bad; /**< packets that arrived whole, by node; others */
};

static inline void lane_check_inside(struct node *node, uint8_t *data, size_t len)
{
    struct pair *p = node->data;
    uint32_t number;

    if (world_packet_check(data, len, &number))
        p->good[node == p->client]++;
    else
        p->bad++;
}

static inline bool lane_both_active(struct world *w)
{
    for (int i = 0; i < 2; i++)
        if (w->nodes[i].conn == NULL ||
            sw_conn_expresslane(w->nodes[i].conn) != SW_EXPRESSLANE_ACTIVE)
            return false;
    return true;
}

/** Both nodes, not yet connected. rotation 0: the default. */
static inline void lane_nodes(struct pair *p, uint64_t seed, bool server_lane, bool client_lane,
                              sw_time rotation)
{
    const struct client_options options = {.keepalive_interval = 10 * SW_SECOND};

    *p = (struct pair){0};
    world_init(&p->world, seed);
    p->world.rotation = rotation;
    p->world.expresslane = server_lane;
    p->server = world_server(&p->world, false);
    p->world.expresslane = client_lane;
    p->client = world_client(&p->world, &options);
    p->server->inside = p->client->inside = lane_check_inside;
    p->server->data = p->client->data = p;
}

/** A pair whose lane is in use. */
static inline void lane_pair(struct pair *p, uint64_t seed, sw_time rotation)
{
    lane_nodes(p, seed, true, true, rotation);
    bool active = world_connect(p->client, p->server) != NULL &&
                  world_run(&p->world, 5 * SW_SECOND, lane_both_active);
    world_check(&p->world, active);
}

static inline void lane_up(struct pair *p, uint32_t number)
{
    uint8_t packet[2048];
    size_t len = world_packet(packet, TUN_IP, REMOTE_IP, number, 100 + number % 1200);
    world_check(&p->world, world_send(p->client, p->client->conn, packet, len) == 0);
}

static inline void lane_down(struct pair *p, uint32_t number)
{
    uint8_t packet[2048];
    size_t len = world_packet(packet, REMOTE_IP, POOL_FIRST_IP, number, 100 + number % 1200);
    world_check(&p->world, world_send(p->server, p->server->conn, packet, len) == 0);
}

/** count packets each way, gap apart, and a second for the last to arrive. */
static inline void lane_exchange(struct pair *p, unsigned count, sw_time gap)
{
    for (unsigned i = 0; i < count; i++) {
        lane_down(p, i);
        lane_up(p, i);
        world_run(&p->world, gap, NULL);
    }
    world_run(&p->world, SW_SECOND, NULL);
}

/** Whether 100 packets each way all arrive. */
static inline bool lane_carries(struct pair *p)
{
    const unsigned before[2] = {p->good[0], p->good[1]};
    lane_exchange(p, 100, SW_MILLISECOND);
    return p->good[0] == before[0] + 100 && p->good[1] == before[1] + 100 && p->bad == 0;
}

static inline const struct sw_engine_counters *lane_counters(const struct node *node)
{
    return sw_engine_counters(node->engine);
}

static inline enum sw_expresslane_state lane_state(const struct node *node)
{
    return sw_conn_expresslane(node->conn);
}

static inline bool lane_is_flagged(const uint8_t *bytes, size_t len)
{
    return len >= SW_HEADER_LEN && bytes[5] != 0;
}

#endif
