/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * One child process with an anonymous file as standard input and another one for what it says, so
 * that neither side ever waits for the other to read. Its end is waited for through a pidfd, which
 * has a time limit and leaves other children and SIGCHLD alone. The child gets default signal
 * handling, since the programs themselves hold signals back, and a process group of its own: Ctrl-C
 * on a terminal, pressed once more while the client tidies up, must not hit what does it.
 */

#include "host/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <slipway/error.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

extern char **environ;

/* A service may have been started without PATH, and a user's may lack the sbin directories. */
static bool find(const char *name, char *path, size_t size)
{
    const char *lists[] = {getenv("PATH"), USUAL_PATH};
    for (size_t i = 0; i < 2; i++) {
        for (const char *p = lists[i]; p != NULL && *p != '\0';) {
            size_t len = strcspn(p, ":");
            int n = snprintf(path, size, "%.*s/%s", (int)len, p, name);
            if (len > 0 && n > 0 && (size_t)n < size && access(path, X_OK) == 0) return true;
            p += len + (p[len] == ':');
        }
    }
    return false;
}

bool sw_program_exists(const char *name)
{
    char path[4096];
    return find(name, path, sizeof path);
}

static int write_all(int fd, const char *text)
{
    size_t left = text != NULL ? strlen(text) : 0;
    while (left > 0) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        text += n;
        left -= (size_t)n;
    }
    return lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

static int spawn(pid_t *pid, const char *path, const char *const argv[], int input, int output)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    /* posix_spawn() does not change the strings, its type only cannot say so. */
    int error = posix_spawn(pid, path, &files, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* The wait status, or -1 with errno; ETIMEDOUT: it was killed. */
static int wait_for(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    int ready = 1, status;
    if (fd >= 0) {
        do
            ready = poll(&poll_fd, 1, SW_PROGRAM_PATIENCE_MS);
        while (ready < 0 && errno == EINTR);
        close(fd);
    }
    if (ready <= 0) kill(-pid, SIGKILL); /* with what it has started */
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    if (ready > 0) return status;
    errno = ETIMEDOUT;
    return -1;
}

/* ": " and the first line of what it said, or nothing. */
static void first_line(int output, char *out, size_t size)
{
    ssize_t n = pread(output, out + 2, size - 3, 0);
    out[0] = '\0';
    if (n <= 0) return;
    out[2 + n] = '\0';
    out[2 + strcspn(out + 2, "\r\n")] = '\0';
    if (out[2] == '\0') return;
    out[0] = ':';
    out[1] = ' ';
}

static int explain(const char *name, int status, int output, char *why, size_t why_size)
{
    char said[256];
    if (status < 0) {
        snprintf(why, why_size, "%s: %s", name,
                 errno == ETIMEDOUT ? "it did not end in time" : strerror(errno));
        return errno == ETIMEDOUT ? SW_ETIMEOUT : SW_EINVAL;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    first_line(output, said, sizeof said);
    if (WIFEXITED(status))
        snprintf(why, why_size, "%s failed with status %d%s", name, WEXITSTATUS(status), said);
    else
        snprintf(why, why_size, "%s died of signal %d%s", name, WTERMSIG(status), said);
    return SW_EINVAL;
}

/* All that it said. NULL: no memory. */
static char *read_all(int output)
{
    off_t size = lseek(output, 0, SEEK_END);
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    ssize_t n = text != NULL ? pread(output, text, (size_t)size, 0) : -1;
    if (text != NULL) text[n > 0 ? n : 0] = '\0';
    return text;
}

int sw_program_run(const char *const argv[], const char *input, char *why, size_t why_size)
{
    return sw_program_output(argv, input, NULL, why, why_size);
}

int sw_program_output(const char *const argv[], const char *input, char **output, char *why,
                      size_t why_size)
{
    if (output != NULL) *output = NULL;
    char path[4096];
    pid_t pid;
    int result = SW_EINVAL;
    if (!find(argv[0], path, sizeof path)) {
        snprintf(why, why_size, "the program %s is not installed", argv[0]);
        return SW_EINVAL;
    }
    int in = memfd_create("input", MFD_CLOEXEC), out = memfd_create("output", MFD_CLOEXEC);
    if (in < 0 || out < 0 || write_all(in, input) < 0) {
        snprintf(why, why_size, "%s cannot be run: %s", argv[0], strerror(errno));
    } else {
        int error = spawn(&pid, path, argv, in, out);
        if (error != 0)
            snprintf(why, why_size, "%s cannot be run: %s", argv[0], strerror(error));
        else
            result = explain(argv[0], wait_for(pid), out, why, why_size);
    }
    if (result == 0 && output != NULL && (*output = read_all(out)) == NULL) {
        snprintf(why, why_size, "%s: out of memory", argv[0]);
        result = SW_ENOMEM;
    }
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    return result;
}
