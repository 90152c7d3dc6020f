/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client's side of a control socket: find it, send one line, read to the end. Nothing is known
 * here of what the answer means. The exchange is described in host/control.h.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/ctl.h"

#define ANSWER_MAX ((size_t)64 << 20)
#define TIMEOUT    10 /* seconds without a byte */

const struct sw_ctl_command sw_ctl_commands[] = {
    {"status", "What the program is doing: connections, addresses, settings in effect."},
    {"metrics", "Every counter, one name and value per line."},
    {"reload", "Have the program read its configuration and files again, as SIGHUP does."},
};
const size_t sw_ctl_n_commands = sizeof sw_ctl_commands / sizeof sw_ctl_commands[0];

static char *fail(char *why, size_t why_size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static char *fail(char *why, size_t why_size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, why_size, format, args);
    va_end(args);
    return NULL;
}

/* A connected socket; -1 with errno set. */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval timeout = {.tv_sec = TIMEOUT};

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) return fd;

    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static char *say_unreachable(const char *path, char *why, size_t why_size)
{
    if (errno == ENOENT || errno == ECONNREFUSED)
        return fail(why, why_size,
                    "nobody listens on %s; start slipway-server or slipway-client, or name its "
                    "socket with --socket",
                    path);
    if (errno == EACCES || errno == EPERM)
        return fail(why, why_size,
                    "no permission for %s; ask as root or as the user that runs the program", path);
    return fail(why, why_size, "%s: %s", path, strerror(errno));
}

/* --- finding the socket -------------------------------------------------------------------- */

static int is_socket_name(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".sock") == 0;
}

/* Whether somebody listens there, or would if we were allowed to know. */
static bool is_alive(const char *path)
{
    int fd = connect_to(path);

    if (fd < 0) return errno != ENOENT && errno != ECONNREFUSED;
    close(fd);
    return true;
}

char *sw_ctl_find_socket(const char *directory, char *why, size_t why_size)
{
    struct dirent **names = NULL;
    int n = scandir(directory, &names, is_socket_name, alphasort);
    char *found = NULL;
    char *other = NULL;

    for (int i = 0; i < n; i++) {
        char *path = NULL;
        if (other == NULL && asprintf(&path, "%s/%s", directory, names[i]->d_name) >= 0 &&
            is_alive(path)) {
            *(found == NULL ? &found : &other) = path;
            path = NULL;
        }
        free(path);
        free(names[i]);
    }
    free(names);
    if (found == NULL) {
        fail(why, why_size,
             "no slipway-server or slipway-client has a control socket in %s; start one, or name "
             "its socket with --socket",
             directory);
    } else if (other != NULL) {
        fail(why, why_size, "several programs run; choose one, e.g. --socket %s or --socket %s",
             found, other);
        free(found);
        found = NULL;
    }
    free(other);
    return found;
}

/* --- the exchange -------------------------------------------------------------------------- */

static int send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Everything up to the end of file, as a new string; NULL with errno set. */
static char *read_all(int fd)
{
    char *text = NULL;
    size_t len = 0;
    size_t room = 0;

    for (;;) {
        if (room - len < 2) {
            room = room == 0 ? 65536 : room * 2;
            char *grown = room <= ANSWER_MAX ? realloc(text, room) : NULL;
            if (grown == NULL) {
                free(text);
                errno = ENOMEM;
                return NULL;
            }
            text = grown;
        }
        ssize_t n = recv(fd, text + len, room - len - 1, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            free(text);
            return NULL;
        }
        if (n == 0) break;
        len += (size_t)n;
    }
    text[len] = '\0';
    return text;
}

char *sw_ctl_ask(const char *path, const char *command, bool as_json, char *why, size_t why_size)
{
    char request[64];
    char *answer = NULL;
    int fd = connect_to(path);

    if (fd < 0) return say_unreachable(path, why, why_size);
    int len = snprintf(request, sizeof request, "%s%s\n", command, as_json ? " json" : "");
    if (send_all(fd, request, (size_t)len) == 0) answer = read_all(fd);
    if (answer == NULL && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail(why, why_size, "%s does not answer; the program behind it hangs or is overloaded",
             path);
    else if (answer == NULL)
        fail(why, why_size, "%s: %s", path, strerror(errno));
    close(fd);

    static const char refused[] = "error: ";
    if (answer != NULL && strncmp(answer, refused, sizeof refused - 1) == 0) {
        answer[strcspn(answer, "\n")] = '\0';
        fail(why, why_size, "%s: %s", path, answer + sizeof refused - 1);
    } else if (answer != NULL && answer[0] == '\0') {
        fail(why, why_size, "%s closed without an answer; too many ask at once, try again", path);
    } else {
        return answer;
    }
    free(answer);
    return NULL;
}
