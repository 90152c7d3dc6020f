/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SLIPWAY_TYPES_H
#define SLIPWAY_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Monotonic time in nanoseconds since an arbitrary start. The library never reads a clock. */
typedef uint64_t sw_time;

#define SW_MICROSECOND ((sw_time)1000)
#define SW_MILLISECOND ((sw_time)1000000)
#define SW_SECOND      ((sw_time)1000000000)
#define SW_MINUTE      (60 * SW_SECOND)

/** "No deadline". */
#define SW_NEVER UINT64_MAX

enum sw_role { SW_CLIENT, SW_SERVER };

enum sw_transport {
    SW_DATAGRAM, /**< UDP: DTLS 1.3 behind a 16-byte Lightway header */
    SW_STREAM    /**< TCP: TLS 1.3 */
};

/** Protocol version of the Lightway header; compared with SW_VERSION(). */
struct sw_version {
    uint8_t major;
    uint8_t minor;
};

/** Session id: 8 opaque bytes, chosen by the server (docs/protocol/wire.md §4). */
struct sw_session_id {
    uint8_t bytes[8];
};

/** Socket address without the kernel's layout. ip holds 4 (family 4) or 16 (family 6) bytes. */
struct sw_address {
    uint8_t family; /**< 0 none, 4 or 6 */
    uint16_t port;  /**< host byte order */
    uint8_t ip[16]; /**< network byte order, unused bytes zero */
    uint32_t scope; /**< IPv6 scope id, else 0 */
};

/** Where datagrams go and which of our addresses they must come from (family 0: kernel's choice).
 */
struct sw_path {
    struct sw_address remote;
    struct sw_address local;
};

#endif
