/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * TUNSETSTEERINGEBPF (docs/offload.md E.1): a small eBPF program, put together here instruction by
 * instruction, sees each packet from its IP header on and returns the number of a queue.
 *
 *     index = IPv4 destination - network
 *     return index < count ? table[index] : SW_NOBODY
 *
 * The kernel takes the result modulo the number of queues. IPv6 has other bytes at that place; it
 * ends up in some queue, where it is counted and dropped like anywhere else.
 *
 * The table is the only element of a BPF array that is mapped into this process: writing one byte
 * is all it takes when an address is assigned, and workers read the same bytes. Programs that are
 * loaded by somebody without CAP_BPF are refused on most systems; then the kernel steers by flow,
 * and learns the queue of a flow from packets written to it.
 */

#include "host/tun_steering.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/address_pool.h"

#define IPV4_DESTINATION 16

/* In the kernel's headers only for itself. */
#define INSTRUCTION(CODE, DST, SRC, OFF, IMM)                                                      \
    ((struct bpf_insn){                                                                            \
        .code = (CODE), .dst_reg = (DST), .src_reg = (SRC), .off = (OFF), .imm = (int32_t)(IMM)})

static int fail(struct sw_tun_steering *steering, char *why, size_t why_size, const char *what)
{
    const char *hint = errno == EPERM ? " (CAP_BPF is needed)" : "";
    snprintf(why, why_size, "%s: %s%s", what, strerror(errno), hint);
    sw_tun_steering_close(steering);
    return -1;
}

static int make_table(struct sw_tun_steering *steering, uint32_t count, const struct sw_sys *sys)
{
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = sizeof(uint32_t);
    attributes.value_size = count;
    attributes.max_entries = 1;
    attributes.map_flags = BPF_F_MMAPABLE;
    steering->map = sys->bpf(BPF_MAP_CREATE, &attributes, sizeof attributes);
    if (steering->map < 0) return -1;
    void *table = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED, steering->map, 0);
    if (table == MAP_FAILED) return -1;
    steering->table = table;
    return 0;
}

static int load_program(struct sw_tun_steering *steering, uint32_t network, uint32_t count,
                        const struct sw_sys *sys)
{
    const struct bpf_insn program[] = {
        /* r0 = destination; it is loaded through r6 */
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0),
        INSTRUCTION(BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, IPV4_DESTINATION),
        INSTRUCTION(BPF_ALU | BPF_SUB | BPF_K, BPF_REG_0, 0, 0, network),
        INSTRUCTION(BPF_JMP | BPF_JGE | BPF_K, BPF_REG_0, 0, 5, count),
        INSTRUCTION(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0, steering->map),
        INSTRUCTION(0, 0, 0, 0, 0),
        INSTRUCTION(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_1, BPF_REG_0, 0, 0),
        INSTRUCTION(BPF_LDX | BPF_MEM | BPF_B, BPF_REG_0, BPF_REG_1, 0, 0),
        INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, SW_NOBODY),
        INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    static const char license[] = "GPL";
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attributes.insns = (uint64_t)(uintptr_t)program;
    attributes.insn_cnt = sizeof program / sizeof program[0];
    attributes.license = (uint64_t)(uintptr_t)license;
    memcpy(attributes.prog_name, "slipway", sizeof "slipway");
    steering->program = sys->bpf(BPF_PROG_LOAD, &attributes, sizeof attributes);
    return steering->program < 0 ? -1 : 0;
}

int sw_tun_steering_start(struct sw_tun_steering *steering, const struct sw_tun *tun,
                          uint32_t network, uint32_t count, const struct sw_sys *sys, char *why,
                          size_t why_size)
{
    *steering = (struct sw_tun_steering){.size = count, .map = -1, .program = -1};
    if (make_table(steering, count, sys) < 0)
        return fail(steering, why, why_size, "making a BPF map");
    if (load_program(steering, network, count, sys) < 0)
        return fail(steering, why, why_size, "loading a BPF program");
    if (sys->ioctl(tun->fd, TUNSETSTEERINGEBPF, &steering->program) < 0)
        return fail(steering, why, why_size, "TUNSETSTEERINGEBPF");
    return 0;
}

void sw_tun_steering_stop(struct sw_tun_steering *steering, const struct sw_tun *tun,
                          const struct sw_sys *sys)
{
    int none = -1;
    if (steering->table != NULL) sys->ioctl(tun->fd, TUNSETSTEERINGEBPF, &none);
}

void sw_tun_steering_close(struct sw_tun_steering *steering)
{
    if (steering->size == 0) return;
    if (steering->table != NULL) munmap(steering->table, steering->size);
    if (steering->program >= 0) close(steering->program);
    if (steering->map >= 0) close(steering->map);
    memset(steering, 0, sizeof *steering);
}
