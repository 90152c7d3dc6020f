/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Streams of an engine's connections (docs/protocol/session.md §3.3).
 *
 * The engine queues bytes per connection and says so once, when the queue was empty. The stream is
 * then marked, and written at the end of the wake-up, so that the records of many packets leave in
 * one send(2). A socket that is full is polled for writability until the queue is empty.
 *
 * A stream reads one buffer per wake-up and lets the others have their turn. Each ends exactly
 * once: by sw_stream_finish() in its connection's last event. The struct lives on until libuv has
 * let go of its handle.
 */

#include "host/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/list.h"

#define SW_LOG_TARGET "tcp"
#include "host/log.h"

#define READ_SIZE (64u << 10)

struct sw_streams {
    uv_loop_t *loop;
    const struct sw_sys *sys;
    void (*after)(void *user);
    void *user;
    struct sw_list marked;
    struct sw_tcp_counters counters;
    uint8_t buffer[READ_SIZE];
};

struct sw_stream {
    uv_poll_t poll;
    struct sw_list link; /* in streams->marked */
    struct sw_streams *streams;
    struct sw_conn *conn; /* NULL: finished */
    int fd;
    bool blocked; /* waits for writability */
};

struct sw_streams *sw_streams_new(uv_loop_t *loop, const struct sw_sys *sys,
                                  void (*after)(void *user), void *user)
{
    struct sw_streams *streams = calloc(1, sizeof *streams);
    if (streams == NULL) return NULL;
    streams->loop = loop;
    streams->sys = sys;
    streams->after = after;
    streams->user = user;
    sw_list_init(&streams->marked);
    return streams;
}

void sw_streams_free(struct sw_streams *streams)
{
    free(streams);
}

struct sw_tcp_counters *sw_streams_counters(struct sw_streams *streams)
{
    return &streams->counters;
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct sw_stream *stream)
{
    uv_poll_start(&stream->poll, UV_READABLE | (stream->blocked ? UV_WRITABLE : 0), on_ready);
}

/* Writes until the queue is empty or the socket full. An errno value, or 0. */
static int write_out(struct sw_stream *stream)
{
    struct sw_streams *streams = stream->streams;
    const uint8_t *data;
    size_t len;
    while ((data = sw_conn_stream_peek(stream->conn, &len)) != NULL) {
        ssize_t n = streams->sys->send(stream->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        streams->counters.send_calls++;
        if (n < 0) {
            if (errno == EINTR) continue;
            return errno;
        }
        streams->counters.send_bytes += (uint64_t)n;
        sw_conn_stream_sent(stream->conn, (size_t)n, uv_hrtime());
    }
    return 0;
}

static void flush(struct sw_stream *stream)
{
    int error = write_out(stream);
    bool blocked = error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
    if (blocked) stream->streams->counters.send_blocked++;
    if (error != 0 && !blocked) {
        sw_log_debug("sending: %s", strerror(error));
        sw_conn_stream_end(stream->conn, SW_EPEERCLOSED, uv_hrtime());
        return;
    }
    if (blocked != stream->blocked) {
        stream->blocked = blocked;
        watch(stream);
    }
}

void sw_stream_mark(struct sw_stream *stream)
{
    if (stream->conn != NULL && !stream->blocked && sw_list_empty(&stream->link))
        sw_list_append(&stream->streams->marked, &stream->link);
}

void sw_streams_flush(struct sw_streams *streams)
{
    while (!sw_list_empty(&streams->marked)) {
        struct sw_stream *stream = SW_LIST_FIRST(&streams->marked, struct sw_stream, link);
        sw_list_remove(&stream->link);
        flush(stream);
    }
}

static void read_in(struct sw_stream *stream)
{
    struct sw_streams *streams = stream->streams;
    ssize_t n = streams->sys->recv(stream->fd, streams->buffer, READ_SIZE, MSG_DONTWAIT);
    streams->counters.recv_calls++;
    if (n > 0) {
        streams->counters.recv_bytes += (uint64_t)n;
        sw_conn_stream_recv(stream->conn, streams->buffer, (size_t)n, uv_hrtime());
    } else if (n == 0) {
        sw_conn_stream_end(stream->conn, 0, uv_hrtime());
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        sw_log_debug("receiving: %s", strerror(errno));
        sw_conn_stream_end(stream->conn, SW_EPEERCLOSED, uv_hrtime());
    }
}

/* libuv stops polling and reports an error condition as a bad status; recv() tells which it is. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct sw_stream *stream = poll->data;
    struct sw_streams *streams = stream->streams;
    if (stream->conn != NULL && (events & UV_WRITABLE)) flush(stream);
    if (stream->conn != NULL && (status < 0 || (events & UV_READABLE))) read_in(stream);
    if (stream->conn != NULL && status < 0) watch(stream);
    streams->after(streams->user);
}

struct sw_stream *sw_stream_new(struct sw_streams *streams, int fd, struct sw_conn *conn)
{
    struct sw_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL || uv_poll_init(streams->loop, &stream->poll, fd) < 0) {
        close(fd);
        free(stream);
        return NULL;
    }
    stream->poll.data = stream;
    stream->streams = streams;
    stream->conn = conn;
    stream->fd = fd;
    sw_list_init(&stream->link);
    watch(stream);
    return stream;
}

static void on_closed(uv_handle_t *handle)
{
    struct sw_stream *stream = handle->data;
    close(stream->fd);
    free(stream);
}

void sw_stream_finish(struct sw_stream *stream)
{
    if (stream->conn == NULL) return;
    write_out(stream); /* the goodbye; nobody is left to hear that it failed */
    stream->conn = NULL;
    sw_list_remove(&stream->link);
    shutdown(stream->fd, SHUT_WR);
    uv_close((uv_handle_t *)&stream->poll, on_closed);
}
