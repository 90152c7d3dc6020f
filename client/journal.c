/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What the client changes on the host outlives it if it is killed: routes over other devices, name
 * servers, packet filter. So every change is noted in a file before it is made, and the next client
 * of the same TUN device undoes what it finds there. A line too many does no harm, because undoing
 * what was not done finds nothing; a line too few would.
 *
 * The file is only ever appended to, whole lines in one write: a killed process leaves it readable.
 * It need not survive the machine, which forgets the changes as well. A lock on it tells a dead
 * client from a living one. Its first line names the network namespace: in another one there is
 * nothing of that client, and the same words would mean other things.
 */

#define SW_LOG_TARGET "client"

#include "client/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/log.h"

#define TEXT_MAX (1 << 24) /* more than a client ever writes */
#define LINE     256

struct sw_journal {
    char *path;
    int fd;
    char *text;  /* of the earlier client, lines ended by NUL */
    size_t size; /* of text */
    bool broken; /* writing failed, and was warned of */
};

static void header(char out[LINE])
{
    struct stat st;
    unsigned long long inode = stat("/proc/self/ns/net", &st) == 0 ? st.st_ino : 0;
    snprintf(out, LINE, "slipway-client 1 netns %llu", inode);
}

static void make_directory(const char *path)
{
    char *copy = strdup(path);
    char *slash = copy != NULL ? strrchr(copy, '/') : NULL;
    if (slash != NULL && slash != copy) {
        *slash = '\0';
        mkdir(copy, 0755); /* if that fails, open() says why */
    }
    free(copy);
}

static int close_with(int fd, int error)
{
    close(fd);
    errno = error;
    return -1;
}

/* A locked file that is still the one of its name: who ends removes it with the lock held.
 * Nobody else's: what it says will be done. */
static int open_locked(const char *path)
{
    for (;;) {
        struct stat mine, named;
        int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &mine) < 0) return close_with(fd, errno);
        if (mine.st_uid != geteuid() || !S_ISREG(mine.st_mode)) return close_with(fd, EPERM);
        if (stat(path, &named) == 0 && named.st_ino == mine.st_ino && named.st_dev == mine.st_dev)
            return fd;
        close(fd);
    }
}

/* Reads what is there and ends every line with NUL. An unfinished last line does not count. */
static int read_left(struct sw_journal *journal)
{
    char expected[LINE];
    struct stat st;
    size_t size = fstat(journal->fd, &st) == 0 && st.st_size < TEXT_MAX ? (size_t)st.st_size : 0;
    journal->text = calloc(1, size + 1);
    if (journal->text == NULL) return SW_ENOMEM;
    ssize_t n = pread(journal->fd, journal->text, size, 0);
    const char *end = n > 0 ? memrchr(journal->text, '\n', (size_t)n) : NULL;
    journal->size = end != NULL ? (size_t)(end - journal->text) + 1 : 0;
    for (size_t i = 0; i < journal->size; i++)
        if (journal->text[i] == '\n') journal->text[i] = '\0';
    header(expected);
    if (strcmp(journal->text, expected) != 0) journal->size = 0;
    return 0;
}

int sw_journal_open(const char *path, struct sw_journal **out, char *why, size_t why_size)
{
    struct sw_journal *journal = calloc(1, sizeof *journal);
    *out = NULL;
    snprintf(why, why_size, "%s: out of memory", path);
    if (journal == NULL) return SW_ENOMEM;
    journal->fd = -1;
    journal->path = strdup(path);
    make_directory(path);
    if (journal->path != NULL) {
        journal->fd = open_locked(path);
        if (journal->fd < 0 && errno == EWOULDBLOCK) {
            snprintf(why, why_size, "%s is in use by another client", path);
            sw_journal_close(journal, true);
            return SW_EFULL;
        }
        if (journal->fd < 0) snprintf(why, why_size, "%s: %s", path, strerror(errno));
    }
    if (journal->fd < 0 || read_left(journal) < 0) {
        sw_journal_close(journal, true);
        return SW_EINVAL;
    }
    *out = journal;
    return 0;
}

const char *sw_journal_left(const struct sw_journal *journal, size_t index)
{
    if (journal == NULL) return NULL;
    for (size_t at = 0; at < journal->size; at += strlen(journal->text + at) + 1)
        if (at > 0 && index-- == 0) return journal->text + at;
    return NULL;
}

static void write_line(struct sw_journal *journal, const char *line)
{
    char whole[LINE + 1];
    int n = snprintf(whole, sizeof whole, "%s\n", line);
    if (write(journal->fd, whole, (size_t)n) == n || journal->broken) return;
    journal->broken = true;
    sw_log_warn("%s: %s; if this client is killed, the next one may not undo all it did",
                journal->path, strerror(errno));
}

void sw_journal_clear(struct sw_journal *journal)
{
    char line[LINE];
    if (journal == NULL) return;
    journal->size = 0;
    header(line);
    if (ftruncate(journal->fd, 0) == 0) write_line(journal, line);
}

void sw_journal_note(struct sw_journal *journal, const char *format, ...)
{
    char line[LINE];
    va_list arguments;
    if (journal == NULL) return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    write_line(journal, line);
}

void sw_journal_close(struct sw_journal *journal, bool keep)
{
    if (journal == NULL) return;
    if (!keep) unlink(journal->path);
    if (journal->fd >= 0) close(journal->fd);
    free(journal->text);
    free(journal->path);
    free(journal);
}
