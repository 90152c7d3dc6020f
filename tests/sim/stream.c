/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Two pipes. An engine that closes its connection gives its last bytes away in the CLOSED event, as
 * a host would that lets the kernel send them.
 */

#include "tests/sim/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t waiting(const struct pipe *pipe)
{
    return pipe->end - pipe->start;
}

static void put(struct pipe *pipe, const uint8_t *bytes, size_t len)
{
    if (pipe->start == pipe->end) pipe->start = pipe->end = 0;
    if (pipe->end + len > pipe->room) {
        pipe->room = 2 * (pipe->end + len);
        pipe->bytes = realloc(pipe->bytes, pipe->room);
        assert(pipe->bytes != NULL);
    }
    if (len > 0) memcpy(pipe->bytes + pipe->end, bytes, len);
    pipe->end += len;
}

void stream_inject(struct stream *stream, int to, const void *bytes, size_t len)
{
    put(&stream->to[to], bytes, len);
}

static bool take_output(struct stream *stream, int side)
{
    struct pipe *pipe = &stream->to[!side];
    size_t len;
    const uint8_t *bytes = sw_conn_stream_peek(stream->conns[side], &len);
    size_t room = waiting(pipe) < stream->room ? stream->room - waiting(pipe) : 0;

    if (bytes == NULL || room == 0) return false;
    if (len > room) len = room;
    put(pipe, bytes, len);
    stream->carried[side] += len;
    sw_conn_stream_sent(stream->conns[side], len, stream->world->now);
    return true;
}

static bool give_input(struct stream *stream, int side)
{
    struct pipe *pipe = &stream->to[side];
    size_t len = 1 + world_random(stream->world, stream->max_chunk);

    if (waiting(pipe) == 0) {
        if (!pipe->ended) return false;
        sw_conn_stream_end(stream->conns[side], 0, stream->world->now);
        return true;
    }
    if (len > waiting(pipe)) len = waiting(pipe);
    uint8_t *piece = malloc(len);
    assert(piece != NULL);
    memcpy(piece, pipe->bytes + pipe->start, len);
    pipe->start += len;
    sw_conn_stream_recv(stream->conns[side], piece, len, stream->world->now);
    free(piece);
    return true;
}

void stream_pump(struct stream *stream)
{
    bool moved;

    do {
        moved = false;
        for (int side = 0; side < 2; side++) {
            if (stream->conns[side] != NULL) moved |= take_output(stream, side);
            if (stream->conns[side] != NULL && stream->reading[side])
                moved |= give_input(stream, side);
        }
    } while (moved);
}

static void on_step(struct world *world)
{
    stream_pump(world->step_data);
}

void stream_event(struct node *node, struct sw_conn *conn, const struct sw_event *event)
{
    struct stream *stream = node->world->step_data;
    const uint8_t *bytes;
    size_t len;

    if (event->type != SW_EVENT_CLOSED) return;
    for (int side = 0; side < 2; side++) {
        if (stream->conns[side] != conn) continue;
        while ((bytes = sw_conn_stream_peek(conn, &len)) != NULL) {
            put(&stream->to[!side], bytes, len);
            sw_conn_stream_sent(conn, len, node->world->now);
        }
        stream->to[!side].ended = true;
        stream->conns[side] = NULL;
    }
}

void stream_open(struct stream *stream, struct node *server, struct node *client, size_t max_chunk)
{
    const struct sw_path up = {.remote = server->address}, down = {.remote = client->address};
    struct world *world = server->world;
    int error;

    *stream = (struct stream){
        .world = world, .reading = {true, true}, .max_chunk = max_chunk, .room = 64 * 1024};
    world->step = on_step;
    world->step_data = stream;
    server->event = client->event = stream_event;
    stream->conns[STREAM_CLIENT] = sw_connect(client->engine, SW_STREAM, &up, world->now, &error);
    stream->conns[STREAM_SERVER] = sw_accept_stream(server->engine, &down, world->now, &error);
    client->conn = stream->conns[STREAM_CLIENT];
    server->conn = stream->conns[STREAM_SERVER];
    assert(client->conn != NULL && server->conn != NULL);
}

void stream_free(struct stream *stream)
{
    stream->world->step = NULL;
    free(stream->to[0].bytes);
    free(stream->to[1].bytes);
}
