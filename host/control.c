/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The control socket's server. One exchange is: connect, one line, answer, end of file; so there is
 * no state between requests and any program that can write a line to a socket is a client.
 *
 * The socket's mode is set before it has a name: Linux gives the file the mode of the socket's
 * inode, so that not even for a moment anybody else could connect. What a slow or hostile local
 * process can cost is bounded by host/control.h's limits; a timer per client ends it whatever state
 * it is in. An exchange lives in one struct client that is freed when both its handles are closed.
 */
#include "host/control.h"

#include <errno.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/list.h"

#define BACKLOG 16

struct sw_control {
    uv_pipe_t listener;
    struct sw_control_ops ops;
    struct sw_list clients;
    size_t n_clients;
    bool is_closing; /* sw_control_close() was called */
    bool is_closed;  /* and the listener is gone */
    char *path;
    dev_t device; /* identify the file we made */
    ino_t inode;
};

struct client {
    struct sw_list link;
    struct sw_control *control;
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_write_t write;
    size_t len;
    char request[SW_CONTROL_REQUEST + 2]; /* one byte too many, and NUL */
    char *answer;
    unsigned open_handles;
};

/* --- answers ------------------------------------------------------------------------------- */

struct command {
    const char *name;
    size_t source; /* offset of the callback in struct sw_control_ops */
    char *(*render)(const json_t *json);
};

static const struct command commands[] = {
    {"status", offsetof(struct sw_control_ops, status), sw_control_render_status},
    {"metrics", offsetof(struct sw_control_ops, metrics), sw_control_render_metrics},
    {"reload", offsetof(struct sw_control_ops, reload), sw_control_render_status},
};

static char *render_error(json_t *json)
{
    char *text;
    const char *error = json_string_value(json_object_get(json, "error"));
    if (asprintf(&text, "error: %s\n", error) < 0) text = NULL;
    json_decref(json);
    return text;
}

static char *run(const struct sw_control_ops *ops, const struct command *command, bool as_json)
{
    json_t *(*source)(void *user);
    memcpy(&source, (const char *)ops + command->source, sizeof source);

    if (source == NULL) return strdup("error: not available here\n");
    json_t *json = source(ops->user);
    if (json == NULL) return strdup("error: out of memory\n");
    if (json_is_string(json_object_get(json, "error"))) return render_error(json);
    if (!as_json) {
        char *text = command->render(json);
        json_decref(json);
        return text;
    }
    char *text = NULL;
    char *dump = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    if (dump == NULL || asprintf(&text, "%s\n", dump) < 0) text = NULL;
    free(dump);
    return text;
}

char *sw_control_answer(const struct sw_control_ops *ops, const char *request)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        size_t len = strlen(commands[i].name);
        if (strncmp(request, commands[i].name, len) != 0) continue;
        if (request[len] == '\0') return run(ops, &commands[i], false);
        if (strcmp(request + len, " json") == 0) return run(ops, &commands[i], true);
    }
    return strdup("error: unknown request; expected status, metrics or reload, each with or "
                  "without \" json\" behind it\n");
}

/* --- one exchange -------------------------------------------------------------------------- */

static void free_if_over(struct sw_control *control)
{
    if (!control->is_closed || control->n_clients > 0) return;
    free(control->path);
    free(control);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    struct sw_control *control = client->control;

    if (--client->open_handles > 0) return;
    sw_list_remove(&client->link);
    control->n_clients--;
    free(client->answer);
    free(client);
    free_if_over(control);
}

static void end_client(struct client *client)
{
    uv_handle_t *pipe = (uv_handle_t *)&client->pipe;
    uv_handle_t *timer = (uv_handle_t *)&client->timer;

    if (!uv_is_closing(pipe)) uv_close(pipe, on_handle_closed);
    if (!uv_is_closing(timer)) uv_close(timer, on_handle_closed);
}

static void on_timeout(uv_timer_t *timer)
{
    end_client(timer->data);
}

static void on_written(uv_write_t *write, int status)
{
    end_client(write->data);
}

static void answer(struct client *client)
{
    char *request = client->request;

    uv_read_stop((uv_stream_t *)&client->pipe);
    if (client->len > SW_CONTROL_REQUEST) {
        client->answer = strdup("error: the request is too long\n");
    } else {
        request[strcspn(request, "\r\n")] = '\0';
        client->answer = sw_control_answer(&client->control->ops, request);
    }
    if (client->answer == NULL) {
        end_client(client);
        return;
    }
    uv_buf_t buf = uv_buf_init(client->answer, (unsigned)strlen(client->answer));
    client->write.data = client;
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buf, 1, on_written) < 0)
        end_client(client);
}

/* libuv reads straight into the request; its last byte stays NUL. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct client *client = handle->data;
    *buf = uv_buf_init(client->request + client->len,
                       (unsigned)(sizeof client->request - 1 - client->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *client = stream->data;

    if (n == 0) return;
    if (n > 0) client->len += (size_t)n;
    bool is_line = memchr(client->request, '\n', client->len) != NULL;
    bool is_last = n == UV_EOF && client->len > 0;
    if (is_line || is_last || client->len > SW_CONTROL_REQUEST)
        answer(client);
    else if (n < 0)
        end_client(client);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct sw_control *control = listener->data;
    struct client *client = status == 0 ? calloc(1, sizeof *client) : NULL;

    if (client == NULL) return;
    client->control = control;
    client->pipe.data = client;
    client->timer.data = client;
    uv_pipe_init(listener->loop, &client->pipe, 0);
    uv_timer_init(listener->loop, &client->timer);
    client->open_handles = 2;
    sw_list_append(&control->clients, &client->link);
    control->n_clients++;

    bool is_welcome = uv_accept(listener, (uv_stream_t *)&client->pipe) == 0 &&
                      control->n_clients <= SW_CONTROL_CLIENTS &&
                      uv_timer_start(&client->timer, on_timeout, SW_CONTROL_TIMEOUT, 0) == 0 &&
                      uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) == 0;
    if (!is_welcome) end_client(client);
}

/* --- the socket file ----------------------------------------------------------------------- */

static int fail(char *why, size_t why_size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(char *why, size_t why_size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, why_size, format, args);
    va_end(args);
    return SW_EINVAL;
}

static void make_directory(const char *path)
{
    char directory[sizeof((struct sockaddr_un *)NULL)->sun_path];
    const char *slash = strrchr(path, '/');

    if (slash == NULL || slash == path) return;
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = '\0';
    mkdir(directory, 0755); /* if that fails, bind() says why */
}

/* Removes what a process that has ended left behind; refuses everything else that is in the way. */
static int clear_way(const struct sockaddr_un *address, char *why, size_t why_size)
{
    const char *path = address->sun_path;
    struct stat st;

    if (lstat(path, &st) < 0) return 0; /* if it is not ENOENT, bind() says why */
    if (!S_ISSOCK(st.st_mode))
        return fail(why, why_size, "%s is in the way and is no socket; remove it", path);

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail(why, why_size, "%s: %s", path, strerror(errno));
    int rc = connect(fd, (const struct sockaddr *)address, sizeof *address);
    int error = rc == 0 ? 0 : errno;
    close(fd);
    if (error == ECONNREFUSED) {
        if (unlink(path) == 0 || errno == ENOENT) return 0;
        return fail(why, why_size, "%s cannot be replaced: %s", path, strerror(errno));
    }
    if (error == ENOENT) return 0;
    if (error == 0 || error == EAGAIN)
        return fail(why, why_size,
                    "%s is in use by another process; stop that, or give another control_socket",
                    path);
    return fail(why, why_size, "%s: %s", path, strerror(error));
}

/* A bound socket, mode 0600; negative after *why was said. */
static int bind_socket(struct sw_control *control, char *why, size_t why_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = control->path;
    struct stat st;

    if (strlen(path) >= sizeof address.sun_path)
        return fail(why, why_size, "%s is too long for a socket; expected at most %zu bytes", path,
                    sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    make_directory(path);
    if (clear_way(&address, why, why_size) < 0) return SW_EINVAL;

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || fchmod(fd, 0600) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 || lstat(path, &st) < 0) {
        fail(why, why_size, "%s cannot be made: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return SW_EINVAL;
    }
    control->device = st.st_dev;
    control->inode = st.st_ino;
    if ((st.st_mode & 077) == 0) return fd;
    close(fd);
    unlink(path);
    return fail(why, why_size, "%s would be open to other users on this file system", path);
}

static void remove_file(const struct sw_control *control)
{
    struct stat st;

    if (lstat(control->path, &st) == 0 && st.st_dev == control->device &&
        st.st_ino == control->inode)
        unlink(control->path);
}

/* --- open and close ------------------------------------------------------------------------ */

static void on_listener_closed(uv_handle_t *handle)
{
    struct sw_control *control = handle->data;

    control->is_closed = true;
    free_if_over(control);
}

int sw_control_open(uv_loop_t *loop, const char *path, const struct sw_control_ops *ops,
                    struct sw_control **out, char *why, size_t why_size)
{
    struct sw_control *control = calloc(1, sizeof *control);
    char *copy = strdup(path);

    *out = NULL;
    if (control == NULL || copy == NULL) {
        free(control);
        free(copy);
        fail(why, why_size, "%s: %s", path, strerror(ENOMEM));
        return SW_ENOMEM;
    }
    control->ops = *ops;
    control->path = copy;
    control->listener.data = control;
    sw_list_init(&control->clients);

    int fd = bind_socket(control, why, why_size);
    if (fd < 0) {
        free(copy);
        free(control);
        return SW_EINVAL;
    }
    uv_pipe_init(loop, &control->listener, 0);
    int rc = uv_pipe_open(&control->listener, fd);
    if (rc < 0) close(fd);
    if (rc == 0) rc = uv_listen((uv_stream_t *)&control->listener, BACKLOG, on_connection);
    if (rc < 0) {
        fail(why, why_size, "%s cannot be listened on: %s", path, uv_strerror(rc));
        sw_control_close(control);
        return SW_EINVAL;
    }
    *out = control;
    return 0;
}

void sw_control_close(struct sw_control *control)
{
    if (control == NULL || control->is_closing) return;
    control->is_closing = true;
    remove_file(control);

    struct client *client;
    SW_LIST_FOREACH_SAFE (client, &control->clients, link)
        end_client(client);
    uv_close((uv_handle_t *)&control->listener, on_listener_closed);
}

char *sw_control_path(const char *pattern, const char *tun_name)
{
    char *text = NULL;
    size_t size;

    if (pattern == NULL || pattern[0] == '\0') return NULL;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) return NULL;
    for (const char *p = pattern; *p != '\0'; p++) {
        if (p[0] == '%' && p[1] == 'i') {
            fputs(tun_name, out);
            p++;
        } else {
            fputc(*p, out);
        }
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
