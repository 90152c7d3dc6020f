/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What may reach the TLS library. Before keys exist everything on the wire is plaintext, and a
 * single forged datagram can end or silence a handshake whose library is too trusting
 * (docs/protocol/wire.md §9 "forged plaintext records"). So each record of a datagram is classified
 * here by its shape, and the engine passes on only what an honest peer could have sent.
 *
 * In epoch 0 an honest DTLS 1.3 peer sends ClientHello and ServerHello (of which HelloRetryRequest
 * is a form), whole or in fragments, and perhaps an ACK. A hello has message_seq 0, or 1 when there
 * was a retry. Fragments in one record are of one message, disjoint and in ascending order: the
 * same hello twice in a record would cost two answers. Everything else is an alert, which is
 * singled out for the counters, or malformed. Protected records get only their length checked:
 * the library authenticates them.
 *
 * Layouts: RFC 9147 §4 (records), §5.2 (handshake header), §7 (ACK); RFC 8446 §4.1.2, §4.2
 * (ClientHello, extensions).
 */

#include "lib/wire/dtls_record.h"

/* First byte of a unified header: 001CSLEE. */
#define UNIFIED_MASK   0xe0
#define UNIFIED_BITS   0x20
#define UNIFIED_CID    0x10
#define UNIFIED_SEQ16  0x08
#define UNIFIED_LENGTH 0x04

/* RFC 9147 §4.2.3: shorter ciphertext has no room for the sample that hides the record number. */
#define CIPHERTEXT_MIN 16

enum content_type {
    CONTENT_FIRST = 20, /* change_cipher_spec */
    CONTENT_ALERT = 21,
    CONTENT_HANDSHAKE = 22,
    CONTENT_ACK = 26, /* the last one */
};

#define DTLS_1_0 0xfeff
#define DTLS_1_2 0xfefd

#define RECORD_NUMBER_LEN 16 /* epoch and sequence number in an ACK */
#define HELLO_SEQ_MAX     1
#define SESSION_ID_MAX    32
#define EXTENSION_COOKIE  44

/** The 12 bytes in front of a handshake fragment, and the fragment. */
struct fragment {
    uint8_t type;
    uint32_t msg_len;
    uint16_t msg_seq;
    uint32_t offset;
    uint32_t len;
    const uint8_t *data;
};

static int take_be24(struct sw_cursor *c, uint32_t *out)
{
    const uint8_t *p;
    if (sw_cursor_bytes(c, 3, &p) < 0) return SW_ESHORT;
    *out = (uint32_t)p[0] << 16 | sw_get_be16(p + 1);
    return 0;
}

/** A vector with a length of one or two bytes in front (RFC 8446 §3.4). */
static int take_vector(struct sw_cursor *c, int length_bytes, struct sw_cursor *out)
{
    const uint8_t *data;
    uint16_t len;
    uint8_t len8;
    if (length_bytes == 2) {
        if (sw_cursor_be16(c, &len) < 0) return SW_ESHORT;
    } else {
        if (sw_cursor_u8(c, &len8) < 0) return SW_ESHORT;
        len = len8;
    }
    if (sw_cursor_bytes(c, len, &data) < 0) return SW_ESHORT;
    *out = sw_cursor(data, len);
    return 0;
}

static int take_fragment(struct sw_cursor *c, struct fragment *out)
{
    if (sw_cursor_u8(c, &out->type) < 0 || take_be24(c, &out->msg_len) < 0 ||
        sw_cursor_be16(c, &out->msg_seq) < 0 || take_be24(c, &out->offset) < 0 ||
        take_be24(c, &out->len) < 0)
        return SW_ESHORT;
    return sw_cursor_bytes(c, out->len, &out->data);
}

static bool fragment_is_sound(const struct fragment *f)
{
    return (f->type == SW_CLIENT_HELLO || f->type == SW_SERVER_HELLO) &&
           f->msg_len <= SW_HELLO_MAX && f->msg_seq <= HELLO_SEQ_MAX && f->len > 0 &&
           f->offset + f->len <= f->msg_len;
}

/** Whether b may stand behind a in one record. */
static bool fragment_follows(const struct fragment *a, const struct fragment *b)
{
    return b->type == a->type && b->msg_seq == a->msg_seq && b->msg_len == a->msg_len &&
           b->offset >= a->offset + a->len;
}

static enum sw_record_kind judge_handshake(struct sw_cursor body, struct sw_record *out)
{
    struct fragment previous, f;
    if (take_fragment(&body, &f) < 0 || !fragment_is_sound(&f)) return SW_RECORD_MALFORMED;
    out->hello = (enum sw_hello_type)f.type;
    while (sw_cursor_left(&body) > 0) {
        previous = f;
        if (take_fragment(&body, &f) < 0 || !fragment_is_sound(&f) ||
            !fragment_follows(&previous, &f))
            return SW_RECORD_MALFORMED;
    }
    return SW_RECORD_HANDSHAKE;
}

static enum sw_record_kind judge_ack(struct sw_cursor body)
{
    struct sw_cursor numbers;
    if (take_vector(&body, 2, &numbers) < 0 || sw_cursor_left(&body) > 0 ||
        sw_cursor_left(&numbers) % RECORD_NUMBER_LEN != 0)
        return SW_RECORD_MALFORMED;
    return SW_RECORD_ACK;
}

static enum sw_record_kind judge_plaintext(uint8_t type, struct sw_cursor body,
                                           struct sw_record *out)
{
    switch (type) {
    case CONTENT_HANDSHAKE:
        return judge_handshake(body, out);
    case CONTENT_ACK:
        return judge_ack(body);
    case CONTENT_ALERT:
        return sw_cursor_left(&body) == 2 ? SW_RECORD_ALERT : SW_RECORD_MALFORMED;
    default:
        return SW_RECORD_MALFORMED;
    }
}

/** A record with a unified header: moves c behind it. */
static int take_unified(struct sw_cursor *c, struct sw_record *out)
{
    uint8_t flags;
    uint16_t len;
    const uint8_t *body;
    if (sw_cursor_u8(c, &flags) < 0 || (flags & UNIFIED_CID) != 0 ||
        sw_cursor_skip(c, flags & UNIFIED_SEQ16 ? 2 : 1) < 0)
        return SW_EINVAL;

    size_t body_len = sw_cursor_left(c);
    if (flags & UNIFIED_LENGTH) {
        if (sw_cursor_be16(c, &len) < 0) return SW_ESHORT;
        body_len = len;
    }
    if (sw_cursor_bytes(c, body_len, &body) < 0) return SW_ESHORT;
    out->body.data = body;
    out->body.len = body_len;
    out->kind = body_len < CIPHERTEXT_MIN ? SW_RECORD_MALFORMED : SW_RECORD_PROTECTED;
    return 0;
}

/** A record with the header of DTLS 1.2: moves c behind it. */
static int take_old_style(struct sw_cursor *c, struct sw_record *out)
{
    uint8_t type;
    uint16_t version, epoch;
    struct sw_cursor body;
    if (sw_cursor_u8(c, &type) < 0 || sw_cursor_be16(c, &version) < 0 ||
        sw_cursor_be16(c, &epoch) < 0 || sw_cursor_skip(c, 6) < 0)
        return SW_ESHORT;
    if (type < CONTENT_FIRST || type > CONTENT_ACK) return SW_EINVAL;
    if (version != DTLS_1_2 && version != DTLS_1_0) return SW_EINVAL;
    if (take_vector(c, 2, &body) < 0) return SW_ESHORT;

    out->body.data = body.p;
    out->body.len = sw_cursor_left(&body);
    /* DTLS 1.3 protects with the unified header only: this one with an epoch is of no peer of ours.
     */
    if (out->body.len == 0 || epoch > 0)
        out->kind = SW_RECORD_MALFORMED;
    else
        out->kind = judge_plaintext(type, body, out);
    return 0;
}

int sw_record_next(struct sw_cursor *datagram, struct sw_record *out)
{
    const size_t left = sw_cursor_left(datagram);
    if (left == 0) return 0;

    *out = (struct sw_record){.kind = SW_RECORD_MALFORMED, .raw = {datagram->p, left}};
    struct sw_cursor rest = *datagram;
    const bool unified = (*datagram->p & UNIFIED_MASK) == UNIFIED_BITS;
    if ((unified ? take_unified(&rest, out) : take_old_style(&rest, out)) < 0)
        rest.p = rest.end; /* no telling where it ends */
    out->raw.len = left - sw_cursor_left(&rest);
    *datagram = rest;
    return 1;
}

/**
 * Walks the extensions as far as the fragment holds them: SW_ESHORT if they are malformed, else
 * whether a cookie was met.
 */
static int find_cookie(struct sw_cursor c, bool complete)
{
    int found = 0;
    while (sw_cursor_left(&c) > 0) {
        uint16_t type;
        struct sw_cursor data, cookie;
        if (sw_cursor_be16(&c, &type) < 0 || take_vector(&c, 2, &data) < 0)
            return complete ? SW_ESHORT : found;
        if (type != EXTENSION_COOKIE) continue;
        if (found || take_vector(&data, 2, &cookie) < 0 || sw_cursor_left(&data) > 0 ||
            sw_cursor_left(&cookie) == 0)
            return SW_ESHORT;
        found = 1;
    }
    return found;
}

/** The fixed part of a ClientHello, up to the length of the extensions. */
static int take_hello_start(struct sw_cursor *c, uint8_t random[32], uint16_t *extensions_len)
{
    uint16_t version;
    struct sw_cursor session_id, cookie, suites, compression;
    if (sw_cursor_be16(c, &version) < 0 || sw_cursor_copy(c, random, 32) < 0 ||
        take_vector(c, 1, &session_id) < 0 || take_vector(c, 1, &cookie) < 0 ||
        take_vector(c, 2, &suites) < 0 || take_vector(c, 1, &compression) < 0 ||
        sw_cursor_be16(c, extensions_len) < 0)
        return SW_ESHORT;

    /* legacy_cookie must be empty in DTLS 1.3 (RFC 9147 §5.3) */
    const size_t suites_len = sw_cursor_left(&suites);
    if (version != DTLS_1_2 || sw_cursor_left(&session_id) > SESSION_ID_MAX ||
        sw_cursor_left(&cookie) > 0 || suites_len == 0 || suites_len % 2 != 0 ||
        sw_cursor_left(&compression) == 0)
        return SW_ESHORT;
    return 0;
}

int sw_hello_parse(const struct sw_record *record, struct sw_hello *out)
{
    struct fragment f;
    if (record->kind != SW_RECORD_HANDSHAKE || record->hello != SW_CLIENT_HELLO) return SW_EINVAL;
    struct sw_cursor c = sw_cursor(record->body.data, record->body.len);
    if (take_fragment(&c, &f) < 0) return SW_ESHORT;
    if (f.offset != 0) return SW_EINVAL;

    const bool complete = f.len == f.msg_len;
    uint16_t extensions_len;
    c = sw_cursor(f.data, f.len);
    if (take_hello_start(&c, out->random, &extensions_len) < 0) return SW_ESHORT;
    const size_t start_len = f.len - sw_cursor_left(&c);
    if (start_len + extensions_len != f.msg_len) return SW_ESHORT;

    const int cookie = find_cookie(c, complete);
    if (cookie < 0) return SW_ESHORT;
    out->has_cookie = cookie > 0;
    out->complete = complete;
    out->msg_len = f.msg_len;
    out->msg_seq = f.msg_seq;
    return 0;
}
