/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The header in front of every UDP datagram (docs/protocol/wire.md §2-§4): "He", version, two flag
 * bytes, two reserved bytes, session id. Flag bytes are true when they are non-zero, reserved bytes
 * are never looked at, and there is no length: the payload is the rest of the datagram.
 *
 * Nothing in the header is authenticated, so decoding judges its form only. What a version or a
 * session id means for a connection is decided by the engine.
 */

#include "lib/wire/header.h"

#define MAGIC 0x4865 /* "He" */

enum {
    AT_MAGIC = 0,
    AT_VERSION = 2,
    AT_AGGRESSIVE = 4,
    AT_EXPRESSLANE = 5,
    AT_SESSION = SW_HEADER_SESSION
};

_Static_assert(sizeof(struct sw_session_id) == SW_HEADER_LEN - AT_SESSION,
               "the session id is the last field of the header");

int sw_header_decode(struct sw_cursor *c, struct sw_header *out)
{
    struct sw_cursor rest = *c;
    const uint8_t *p;
    if (sw_cursor_bytes(&rest, SW_HEADER_LEN, &p) < 0) return SW_ESHORT;
    if (sw_get_be16(p + AT_MAGIC) != MAGIC) return SW_EMAGIC;

    const struct sw_version version = {p[AT_VERSION], p[AT_VERSION + 1]};
    if (!sw_version_supported(version)) return SW_EVERSION;

    out->version = version;
    out->aggressive = p[AT_AGGRESSIVE] != 0;
    out->expresslane = p[AT_EXPRESSLANE] != 0;
    memcpy(out->session.bytes, p + AT_SESSION, sizeof out->session.bytes);
    *c = rest;
    return 0;
}

void sw_header_encode(uint8_t out[SW_HEADER_LEN], const struct sw_header *header)
{
    memset(out, 0, SW_HEADER_LEN);
    sw_put_be16(out + AT_MAGIC, MAGIC);
    out[AT_VERSION] = header->version.major;
    out[AT_VERSION + 1] = header->version.minor;
    out[AT_AGGRESSIVE] = header->aggressive;
    out[AT_EXPRESSLANE] = header->expresslane;
    memcpy(out + AT_SESSION, header->session.bytes, sizeof header->session.bytes);
}

int sw_version_compare(struct sw_version a, struct sw_version b)
{
    if (a.major != b.major) return a.major - b.major;
    return a.minor - b.minor;
}

bool sw_version_supported(struct sw_version version)
{
    return sw_version_compare(version, SW_VERSION_MIN) >= 0 &&
           sw_version_compare(version, SW_VERSION_MAX) <= 0;
}

bool sw_session_equal(struct sw_session_id a, struct sw_session_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

bool sw_session_is_reserved(struct sw_session_id id)
{
    return sw_session_equal(id, SW_SESSION_EMPTY) || sw_session_equal(id, SW_SESSION_REJECTED);
}

void sw_session_format(struct sw_session_id id, char out[SW_SESSION_TEXT_LEN])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        out[2 * i] = digits[id.bytes[i] >> 4];
        out[2 * i + 1] = digits[id.bytes[i] & 15];
    }
    out[SW_SESSION_TEXT_LEN - 1] = '\0';
}
