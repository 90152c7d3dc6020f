/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * SO_REUSEPORT groups and their steering (docs/architecture.md §2).
 *
 * Any process of the same user may join a group, so a second server started by mistake would
 * silently get half of the first one's datagrams. Therefore the first socket is bound without
 * SO_REUSEPORT, which fails if anybody has the address, and gets the option afterwards.
 *
 * Without a program the kernel picks the socket by a hash of addresses and ports. A connection then
 * stays where it started until its client's address changes. The classic BPF program sees a
 * datagram from the Lightway header on (docs/protocol/wire.md §2), needs no privilege, and does
 * what sw_conn_table_owner() does: the last byte of the session id modulo the number of workers. A
 * result that is no socket's number makes the kernel go by the hash.
 */

#include "host/reuseport.h"

#include <linux/filter.h>
#include <stdint.h>

#include "lib/wire/header.h"

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif

#define BY_HASH UINT32_MAX

static int set_reuseport(int fd, const struct sw_sys *sys)
{
    const int on = 1;
    return sys->setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

int sw_reuseport_before_bind(int fd, enum sw_reuseport place, const struct sw_sys *sys)
{
    return place == SW_REUSEPORT_NEXT ? set_reuseport(fd, sys) : 0;
}

int sw_reuseport_after_bind(int fd, enum sw_reuseport place, const struct sw_sys *sys)
{
    return place == SW_REUSEPORT_FIRST ? set_reuseport(fd, sys) : 0;
}

int sw_reuseport_steer(int fd, unsigned workers, const struct sw_sys *sys)
{
    enum { HIGH = SW_HEADER_SESSION, LOW = SW_HEADER_SESSION + 4, LAST = SW_HEADER_SESSION + 7 };
    struct sock_filter program[] = {
        /* The datagram is too short for a header: by hash. */
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SW_HEADER_LEN, 0, 10),
        /* EMPTY and REJECTED: by hash. */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, HIGH),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 2, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LOW),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 5, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LOW),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 3, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, LAST),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
        BPF_STMT(BPF_RET | BPF_A, 0),
        BPF_STMT(BPF_RET | BPF_K, BY_HASH),
    };
    const struct sock_fprog all = {sizeof program / sizeof program[0], program};
    return sys->setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &all, sizeof all);
}
