/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_SYS_H
#define SW_HOST_SYS_H

/*
 * The system calls of the data path and of device set-up, behind one table, so that a test can make
 * the kernel say EAGAIN, EIO or EMFILE on the call of its choice. Each member has the contract of
 * the call it is named after: -1 and errno on failure.
 */

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct sw_sys {
    ssize_t (*readv)(int fd, const struct iovec *iov, int count);
    ssize_t (*writev)(int fd, const struct iovec *iov, int count);
    ssize_t (*recv)(int fd, void *buffer, size_t len, int flags);
    ssize_t (*send)(int fd, const void *buffer, size_t len, int flags);
    int (*recvmmsg)(int fd, struct mmsghdr *messages, unsigned count, int flags);
    int (*sendmmsg)(int fd, struct mmsghdr *messages, unsigned count, int flags);
    int (*accept4)(int fd, struct sockaddr *peer, socklen_t *len, int flags);
    int (*ioctl)(int fd, unsigned long request, void *argument);
    int (*setsockopt)(int fd, int level, int option, const void *value, socklen_t len);
    int (*bpf)(int command, void *attributes, unsigned size);
};

/** The kernel. */
extern const struct sw_sys sw_sys_kernel;

#endif
