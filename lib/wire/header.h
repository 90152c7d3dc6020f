/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_WIRE_HEADER_H
#define SW_WIRE_HEADER_H

/* The 16 bytes in front of every UDP datagram (docs/protocol/wire.md §2). */

#include <slipway/types.h>

#include "lib/base/cursor.h"

#define SW_HEADER_LEN     16
#define SW_HEADER_SESSION 8 /**< offset of the session id */

#define SW_VERSION(major, minor) ((struct sw_version){(major), (minor)})
#define SW_VERSION_MIN           SW_VERSION(1, 1)
#define SW_VERSION_MAX           SW_VERSION(1, 3)

#define SW_SESSION_EMPTY    ((struct sw_session_id){{0, 0, 0, 0, 0, 0, 0, 0}})
#define SW_SESSION_REJECTED ((struct sw_session_id){{255, 255, 255, 255, 255, 255, 255, 255}})

struct sw_header {
    struct sw_version version;
    bool aggressive;              /**< any non-zero byte on receipt; sent as 0 */
    bool expresslane;             /**< payload is one Expresslane packet instead of DTLS records */
    struct sw_session_id session; /**< EMPTY, REJECTED or a session */
};

/**
 * Takes the header from the front of c; the rest of c is the payload.
 * SW_ESHORT, SW_EMAGIC or SW_EVERSION (outside 1.1..1.3), checked in that order.
 */
int sw_header_decode(struct sw_cursor *c, struct sw_header *out);

/** Writes SW_HEADER_LEN bytes. */
void sw_header_encode(uint8_t out[SW_HEADER_LEN], const struct sw_header *header);

/** Lexicographic: negative, 0 or positive. */
int sw_version_compare(struct sw_version a, struct sw_version b);

/** Within SW_VERSION_MIN..SW_VERSION_MAX. */
bool sw_version_supported(struct sw_version version);

bool sw_session_equal(struct sw_session_id a, struct sw_session_id b);

/** EMPTY or REJECTED: never the id of a session, never adopted. */
bool sw_session_is_reserved(struct sw_session_id id);

#define SW_SESSION_TEXT_LEN 17
/** 16 hex digits and a terminating zero. */
void sw_session_format(struct sw_session_id id, char out[SW_SESSION_TEXT_LEN]);

#endif
