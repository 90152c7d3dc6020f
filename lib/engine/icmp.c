/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The one ICMP message Slipway makes itself: a packet does not fit the tunnel, and its sender
 * should know (docs/offload.md A.5).
 */

#include "lib/engine/icmp.h"

#include <string.h>

#include "lib/base/bytes.h"
#include "lib/offload/checksum.h"
#include "lib/offload/packet.h"

#define IP_LEN   20
#define ICMP_LEN 8
#define QUOTED   8 /* bytes of the transport header */

static bool is_unicast(const uint8_t *ip)
{
    return ip[0] != 0 && ip[0] < 224;
}

static bool is_icmp_error(const uint8_t *icmp)
{
    uint8_t type = icmp[0];
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

size_t sw_icmp_too_big(const uint8_t *packet, size_t len, uint16_t mtu, uint8_t out[SW_ICMP_MAX])
{
    struct sw_packet ip;

    if (sw_packet_parse(packet, len, &ip) < 0 || ip.total_len < ip.header_len + QUOTED) return 0;
    if (ip.later_fragment || !is_unicast(packet + 12) || !is_unicast(packet + 16)) return 0;
    if (ip.protocol == SW_IPPROTO_ICMP && is_icmp_error(packet + ip.header_len)) return 0;

    size_t quoted = ip.header_len + QUOTED;
    size_t total = IP_LEN + ICMP_LEN + quoted;
    memset(out, 0, IP_LEN + ICMP_LEN);
    out[0] = 0x45;
    sw_put_be16(out + 2, (uint16_t)total);
    out[8] = 64;
    out[9] = SW_IPPROTO_ICMP;
    memcpy(out + 12, packet + 16, 4);
    memcpy(out + 16, packet + 12, 4);
    sw_checksum_ip4_header(out, IP_LEN);

    uint8_t *icmp = out + IP_LEN;
    icmp[0] = 3; /* destination unreachable */
    icmp[1] = 4; /* fragmentation needed */
    sw_put_be16(icmp + 6, mtu);
    memcpy(icmp + ICMP_LEN, packet, quoted);
    uint16_t sum = (uint16_t)~sw_sum_fold(sw_sum(icmp, ICMP_LEN + quoted, 0));
    memcpy(icmp + 2, &sum, sizeof sum);
    return total;
}
