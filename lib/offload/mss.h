/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_OFFLOAD_MSS_H
#define SW_OFFLOAD_MSS_H

/*
 * The maximum segment size that the two ends of an inside TCP connection tell each other, held to
 * what the tunnel carries in one piece (docs/protocol/session.md §17).
 */

#include "lib/offload/packet.h"

/** Opens a TCP connection: only such packets carry the option. packet as parsed into ip. */
static inline bool sw_is_tcp_syn(const uint8_t *packet, const struct sw_packet *ip)
{
    return ip->protocol == SW_IPPROTO_TCP && !ip->later_fragment &&
           ip->total_len >= ip->header_len + 20 && (packet[ip->header_len + 13] & 0x02) != 0;
}

/**
 * Lowers the MSS options of a SYN that announce more than limit, and keeps its checksum as right or
 * wrong as it was. Never raises one, and adds none. Options that cannot be read are left alone, and
 * so is everything behind them. True: the packet changed.
 */
bool sw_mss_clamp(uint8_t *packet, const struct sw_packet *ip, uint16_t limit);

#endif
