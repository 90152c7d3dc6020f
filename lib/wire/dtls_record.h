/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_WIRE_DTLS_RECORD_H
#define SW_WIRE_DTLS_RECORD_H

/*
 * As much of a DTLS 1.3 record (RFC 9147 §4) and of a ClientHello (RFC 8446 §4.1.2) as is needed to
 * decide, before the TLS library sees a byte, whether a datagram may reach it at all
 * (docs/protocol/wire.md §9 "forged plaintext records", docs/protocol/session.md §9.3).
 */

#include <slipway/types.h>

#include "lib/base/cursor.h"
#include "lib/base/span.h"

enum sw_record_kind {
    SW_RECORD_PROTECTED, /**< unified header: only the library can judge it */
    SW_RECORD_HANDSHAKE, /**< epoch 0, well-formed fragment(s) of one hello */
    SW_RECORD_ALERT,     /**< epoch 0 alert: forgeable, never fed to the library */
    SW_RECORD_ACK,       /**< epoch 0 ACK, well formed */
    SW_RECORD_MALFORMED, /**< anything else */
};

/** The handshake messages of epoch 0, one per direction. A HelloRetryRequest is a ServerHello. */
enum sw_hello_type {
    SW_CLIENT_HELLO = 1,
    SW_SERVER_HELLO = 2,
};

/** Longest hello taken for one; real ones stay below 3000 bytes. */
#define SW_HELLO_MAX 16384

struct sw_record {
    enum sw_record_kind kind;
    enum sw_hello_type hello; /**< HANDSHAKE: what its fragments are of */
    struct sw_span raw;       /**< header and body */
    struct sw_span body; /**< behind the header, where the record's length is known; else empty */
};

/**
 * Takes the next record of a datagram. 1: *out filled; 0: nothing left. A record whose length
 * cannot be told (MALFORMED, or unified header without length) takes the rest of the datagram.
 */
int sw_record_next(struct sw_cursor *datagram, struct sw_record *out);

/** Low two bits of a protected record's epoch (RFC 9147 §4). */
static inline uint8_t sw_record_epoch_bits(struct sw_span record)
{
    return record.data[0] & 3;
}

/** What an epoch-0 ClientHello says. */
struct sw_hello {
    uint8_t random[32];
    bool has_cookie;  /**< a cookie extension lies, whole, in this (first) fragment */
    bool complete;    /**< this fragment is the whole message */
    uint32_t msg_len; /**< of the whole handshake message, without its 12-byte header */
    uint16_t msg_seq;
};

/**
 * Reads the first fragment (fragment_offset 0) of a ClientHello from a HANDSHAKE record. 0 on
 * success; SW_EINVAL if it is another message or a later fragment; SW_ESHORT if it ends before the
 * extensions begin or is malformed.
 */
int sw_hello_parse(const struct sw_record *record, struct sw_hello *out);

#endif
