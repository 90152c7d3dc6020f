/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small files whole into memory: configuration, certificates, address maps. Only regular files, so
 * that a FIFO or a device cannot make a program wait or read without end, and never more than the
 * caller allows, whatever size the file claims to have.
 */
#include "host/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads up to size bytes; a file may be shorter than it was when it was measured. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(fd, buffer + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int sw_slurp(const char *path, size_t max, char **bytes, size_t *len, char *why, size_t why_size)
{
    struct stat st;
    char *buffer = NULL;
    int rc = SW_EINVAL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0) {
        snprintf(why, why_size, "cannot be read: %s", strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(why, why_size, "is not a regular file");
        goto out;
    }
    if (st.st_size > (off_t)max) {
        snprintf(why, why_size, "is larger than %zu bytes", max);
        goto out;
    }
    buffer = malloc((size_t)st.st_size + 1);
    if (buffer == NULL) {
        snprintf(why, why_size, "cannot be read: %s", strerror(ENOMEM));
        rc = SW_ENOMEM;
        goto out;
    }
    ssize_t n = read_all(fd, buffer, (size_t)st.st_size);
    if (n < 0) {
        snprintf(why, why_size, "cannot be read: %s", strerror(errno));
        goto out;
    }
    buffer[n] = '\0';
    *bytes = buffer;
    *len = (size_t)n;
    buffer = NULL;
    rc = 0;
out:
    free(buffer);
    if (fd >= 0) close(fd);
    return rc;
}
