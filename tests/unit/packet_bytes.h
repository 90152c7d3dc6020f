/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TEST_PACKET_BYTES_H
#define SW_TEST_PACKET_BYTES_H

/*
 * Packets as hexadecimal text, and checksums computed the plain way: two bytes at a time, in
 * network order, from RFC 1071 and the layouts alone, sharing nothing with lib/offload.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/hex.h"
#include "tests/unit/random.h"

/* Returns the number of bytes written to out, which must hold them all. */
static inline size_t unhex(const char *text, uint8_t *out)
{
    struct hex bytes = hex(text);
    memcpy(out, bytes.data, bytes.len);
    free(bytes.data);
    return bytes.len;
}

static inline uint32_t plain_sum(const uint8_t *data, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* Host byte order. */
static inline uint16_t plain_checksum(const uint8_t *data, size_t len, uint32_t sum)
{
    return (uint16_t)~plain_sum(data, len, sum);
}

static inline uint32_t plain_pseudo_sum(const uint8_t *ip, uint8_t protocol, size_t len)
{
    uint32_t sum = plain_sum(ip[0] >> 4 == 4 ? ip + 12 : ip + 8, ip[0] >> 4 == 4 ? 8 : 32, 0);
    uint8_t tail[6] = {0, protocol, 0, (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};
    return plain_sum(tail, sizeof tail, sum);
}

static inline bool plain_ip4_header_ok(const uint8_t *ip)
{
    return plain_checksum(ip, (size_t)(ip[0] & 15) * 4, 0) == 0;
}

/* True if IPv4 header and transport checksum verify; a UDP checksum of 0 counts as wrong. */
static inline bool plain_packet_ok(const uint8_t *ip, size_t len)
{
    bool v4 = ip[0] >> 4 == 4;
    size_t ip_len = v4 ? (size_t)(ip[0] & 15) * 4 : 40;
    uint8_t protocol = v4 ? ip[9] : ip[6];
    if (v4 && !plain_ip4_header_ok(ip)) return false;
    if (protocol == 17 && ip[ip_len + 6] == 0 && ip[ip_len + 7] == 0) return false;
    uint32_t pseudo = protocol == 1 ? 0 : plain_pseudo_sum(ip, protocol, len - ip_len);
    return plain_checksum(ip + ip_len, len - ip_len, pseudo) == 0;
}

/* The same "random" bytes for the same seed. */
static inline void fill_random(uint8_t *out, size_t len, uint32_t seed)
{
    uint64_t state = seed;
    random_fill(&state, out, len);
}

#endif
