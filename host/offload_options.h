/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_OFFLOAD_OPTIONS_H
#define SW_HOST_OFFLOAD_OPTIONS_H

/* The offload options, which both programs have: entries for their option tables. */

#include "host/offload.h"

/* clang-format off */
#define SW_OFFLOAD_SWITCH(key, field, sentence)                                                    \
    {                                                                                              \
        .name = key, .type = &sw_type_tristate, .offset = field, .initial = "auto",                \
        .group = "Offload", .help = sentence                                                       \
    }

/** AT(member) is the offset of a member of the config struct, offload its sw_offload_config. */
#define SW_OFFLOAD_OPTIONS(AT)                                                                     \
    SW_OFFLOAD_SWITCH("offload_tun_tso", AT(offload.wanted[SW_OFFLOAD_TUN_TSO]),                   \
                      "Take TCP superpackets from the TUN device. This and the following "         \
                      "refine enable_tun_offload: auto for where the kernel can, true for or "     \
                      "refuse to start, false for off."),                                          \
    SW_OFFLOAD_SWITCH("offload_tun_uso", AT(offload.wanted[SW_OFFLOAD_TUN_USO]),                   \
                      "Take UDP superpackets from the TUN device (Linux 6.2)."),                   \
    SW_OFFLOAD_SWITCH("offload_tun_gro", AT(offload.wanted[SW_OFFLOAD_TUN_GRO]),                   \
                      "Put TCP packets of the tunnel together to superpackets for the TUN "        \
                      "device."),                                                                  \
    SW_OFFLOAD_SWITCH("offload_tun_gro_udp", AT(offload.wanted[SW_OFFLOAD_TUN_GRO_UDP]),           \
                      "Put UDP packets of the tunnel together to superpackets for the TUN device " \
                      "(Linux 6.2)."),                                                             \
    SW_OFFLOAD_SWITCH("offload_udp_segment", AT(offload.wanted[SW_OFFLOAD_UDP_SEGMENT]),           \
                      "Hand datagrams to the kernel many at a time, which cuts them apart "        \
                      "(UDP_SEGMENT). With mode udp."),                                            \
    SW_OFFLOAD_SWITCH("offload_udp_gro", AT(offload.wanted[SW_OFFLOAD_UDP_GRO]),                   \
                      "Take datagrams from the kernel many at a time (UDP_GRO). With mode udp."),  \
    {                                                                                              \
        .name = "max_segments_per_send", .type = &sw_type_u32,                                     \
        .offset = AT(offload.max_segments_per_send), .initial = "0", .max = 128,                   \
        .group = "Offload",                                                                        \
        .help = "Most datagrams that are handed over as one; 0 for as many as the kernel "         \
                "takes, 1 for no UDP_SEGMENT.",                                                    \
    }
/* clang-format on */

#endif
