/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The system-call table that the programs use: every entry is the call itself. What it buys: error
 * paths that a healthy kernel never takes (docs/offload.md F.5) are tested like any other.
 */

#include "host/sys.h"

#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int kernel_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return recvmmsg(fd, messages, count, flags, NULL);
}

static int kernel_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return sendmmsg(fd, messages, count, flags);
}

static int kernel_accept4(int fd, struct sockaddr *peer, socklen_t *len, int flags)
{
    return accept4(fd, peer, len, flags);
}

static int kernel_ioctl(int fd, unsigned long request, void *argument)
{
    return ioctl(fd, request, argument);
}

static int kernel_bpf(int command, void *attributes, unsigned size)
{
    return (int)syscall(SYS_bpf, command, attributes, size);
}

const struct sw_sys sw_sys_kernel = {
    .readv = readv,
    .writev = writev,
    .recv = recv,
    .send = send,
    .recvmmsg = kernel_recvmmsg,
    .sendmmsg = kernel_sendmmsg,
    .accept4 = kernel_accept4,
    .ioctl = kernel_ioctl,
    .setsockopt = setsockopt,
    .bpf = kernel_bpf,
};
