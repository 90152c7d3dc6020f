/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * AuthRequest, AuthSuccess and AuthFailure (docs/protocol/wire.md §7.4, §7.6, §7.7).
 *
 * The order of checks is part of the protocol, since it decides between "wait for more bytes" and
 * "end the connection": UserPass waits for its whole fixed size before it looks at lengths, the
 * other methods refuse a length above its limit at once; UTF-8 comes last. Bytes behind a stated
 * length and behind a text's terminating zero are padding and never looked at.
 *
 * AuthSuccess carries addresses and MTU as text. An unreadable address is an error; an unreadable
 * MTU is "unknown", because no client depends on it.
 */

#include <stdio.h>

#include "lib/base/utf8.h"
#include "lib/wire/frame_body.h"
#include "lib/wire/header.h"

#define TEXT_FIELD        24 /* bytes of a text field of AuthSuccess, the terminating zero included */
#define AUTH_FAILURE_BODY (SW_FRAME_AUTH_FAILURE_LEN - 1)

_Static_assert(1 + 4 * TEXT_FIELD + sizeof(struct sw_session_id) == SW_FRAME_AUTH_SUCCESS_LEN,
               "kind, four texts, session id");
_Static_assert(1 + 1 + 2 + 2 * SW_AUTH_TEXT_MAX == SW_FRAME_USER_PASS_LEN,
               "kind, method, two lengths, two texts");

static bool span_is_utf8(struct sw_span span)
{
    return sw_utf8_valid(span.data, span.len);
}

static int decode_user_pass(struct sw_cursor *c, struct sw_frame_auth_request *auth)
{
    const uint8_t *body;
    if (sw_cursor_bytes(c, 2 + 2 * SW_AUTH_TEXT_MAX, &body) < 0) return SW_ESHORT;
    const uint8_t user_len = body[0], password_len = body[1];
    if (user_len > SW_AUTH_TEXT_MAX || password_len > SW_AUTH_TEXT_MAX) return SW_ETOOLARGE;

    auth->user = (struct sw_span){body + 2, user_len};
    auth->password = (struct sw_span){body + 2 + SW_AUTH_TEXT_MAX, password_len};
    if (!span_is_utf8(auth->user) || !span_is_utf8(auth->password)) return SW_EUTF8;
    return 0;
}

static int encode_padded(struct sw_writer *w, struct sw_span text, size_t size)
{
    if (sw_writer_bytes(w, text.data, text.len) < 0) return SW_EFULL;
    return sw_writer_zeros(w, size - text.len);
}

static int encode_user_pass(struct sw_writer *w, const struct sw_frame_auth_request *auth)
{
    const struct sw_span user = auth->user, password = auth->password;
    if (user.len > SW_AUTH_TEXT_MAX || password.len > SW_AUTH_TEXT_MAX) return SW_ETOOLARGE;
    if (!span_is_utf8(user) || !span_is_utf8(password)) return SW_EUTF8;

    if (sw_writer_u8(w, (uint8_t)user.len) < 0 || sw_writer_u8(w, (uint8_t)password.len) < 0 ||
        encode_padded(w, user, SW_AUTH_TEXT_MAX) < 0)
        return SW_EFULL;
    return encode_padded(w, password, SW_AUTH_TEXT_MAX);
}

/** A 16-bit length of at most limit and that many bytes. */
static int decode_limited(struct sw_cursor *c, size_t limit, struct sw_span *out)
{
    uint16_t len;
    if (sw_cursor_be16(c, &len) < 0) return SW_ESHORT;
    if (len > limit) return SW_ETOOLARGE;
    out->len = len;
    return sw_cursor_bytes(c, len, &out->data);
}

static int encode_limited(struct sw_writer *w, size_t limit, struct sw_span span)
{
    if (span.len > limit) return SW_ETOOLARGE;
    if (sw_writer_be16(w, (uint16_t)span.len) < 0) return SW_EFULL;
    return sw_writer_bytes(w, span.data, span.len);
}

static int decode_token(struct sw_cursor *c, struct sw_frame_auth_request *auth)
{
    const int result = decode_limited(c, SW_AUTH_TOKEN_MAX, &auth->token);
    if (result < 0) return result;
    return span_is_utf8(auth->token) ? 0 : SW_EUTF8;
}

static int encode_token(struct sw_writer *w, const struct sw_frame_auth_request *auth)
{
    if (!span_is_utf8(auth->token)) return SW_EUTF8;
    return encode_limited(w, SW_AUTH_TOKEN_MAX, auth->token);
}

static int decode_versioned_token(struct sw_cursor *c, struct sw_frame_auth_request *auth)
{
    /* All four fixed bytes must be there before the version is judged. */
    if (sw_cursor_left(c) < 4) return SW_ESHORT;
    if (sw_cursor_u8(c, &auth->version.major) < 0 || sw_cursor_u8(c, &auth->version.minor) < 0)
        return SW_ESHORT;
    if (!sw_version_supported(auth->version)) return SW_EVERSION;
    const int result = decode_limited(c, SW_AUTH_VERSIONED_TOKEN_MAX, &auth->token);
    if (result < 0) return result;
    return span_is_utf8(auth->token) ? 0 : SW_EUTF8;
}

static int encode_versioned_token(struct sw_writer *w, const struct sw_frame_auth_request *auth)
{
    if (!sw_version_supported(auth->version)) return SW_EVERSION;
    if (!span_is_utf8(auth->token)) return SW_EUTF8;
    if (sw_writer_u8(w, auth->version.major) < 0 || sw_writer_u8(w, auth->version.minor) < 0)
        return SW_EFULL;
    return encode_limited(w, SW_AUTH_VERSIONED_TOKEN_MAX, auth->token);
}

static int decode_custom(struct sw_cursor *c, struct sw_frame_auth_request *auth)
{
    return decode_limited(c, SW_AUTH_CUSTOM_MAX, &auth->token);
}

static int encode_custom(struct sw_writer *w, const struct sw_frame_auth_request *auth)
{
    return encode_limited(w, SW_AUTH_CUSTOM_MAX, auth->token);
}

struct method {
    enum sw_auth_method method;
    int (*decode)(struct sw_cursor *c, struct sw_frame_auth_request *auth);
    int (*encode)(struct sw_writer *w, const struct sw_frame_auth_request *auth);
};

static const struct method methods[] = {
    {SW_AUTH_USER_PASS, decode_user_pass, encode_user_pass},
    {SW_AUTH_TOKEN, decode_token, encode_token},
    {SW_AUTH_VERSIONED_TOKEN, decode_versioned_token, encode_versioned_token},
    {SW_AUTH_CUSTOM, decode_custom, encode_custom},
};

/** NULL for an unknown method. */
static const struct method *find_method(unsigned int method)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (methods[i].method == method) return &methods[i];
    }
    return NULL;
}

int sw_frame_decode_auth_request(struct sw_cursor *c, struct sw_frame *out)
{
    uint8_t byte;
    if (sw_cursor_u8(c, &byte) < 0) return SW_ESHORT;
    const struct method *method = find_method(byte);
    if (method == NULL) return SW_EENUM;
    out->auth_request = (struct sw_frame_auth_request){.method = method->method};
    return method->decode(c, &out->auth_request);
}

int sw_frame_encode_auth_request(struct sw_writer *w, const struct sw_frame *frame)
{
    const struct method *method = find_method(frame->auth_request.method);
    if (method == NULL) return SW_EENUM;
    if (sw_writer_u8(w, (uint8_t)method->method) < 0) return SW_EFULL;
    return method->encode(w, &frame->auth_request);
}

/** One text field: up to its first zero, at most TEXT_FIELD - 1 bytes. */
static int decode_text(struct sw_cursor *c, struct sw_span *out)
{
    if (sw_cursor_bytes(c, TEXT_FIELD, &out->data) < 0) return SW_ESHORT;
    const uint8_t *zero = memchr(out->data, 0, TEXT_FIELD - 1);
    out->len = zero == NULL ? TEXT_FIELD - 1 : (size_t)(zero - out->data);
    return span_is_utf8(*out) ? 0 : SW_EUTF8;
}

/** Digits only, no leading zero, 0..255. */
static int take_octet(struct sw_cursor *c, uint8_t *out)
{
    unsigned int value = 0, digits = 0;
    while (sw_cursor_left(c) > 0 && *c->p >= '0' && *c->p <= '9') {
        if (digits > 0 && value == 0) return SW_EADDRESS;
        value = value * 10 + (*c->p - '0');
        if (value > UINT8_MAX) return SW_EADDRESS;
        c->p++;
        digits++;
    }
    if (digits == 0) return SW_EADDRESS;
    *out = (uint8_t)value;
    return 0;
}

/** Strict dotted decimal: exactly four octets, nothing around them. */
static int parse_ipv4(struct sw_span text, uint32_t *out)
{
    struct sw_cursor c = sw_cursor(text.data, text.len);
    uint32_t address = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t dot, octet;
        if (i > 0 && (sw_cursor_u8(&c, &dot) < 0 || dot != '.')) return SW_EADDRESS;
        if (take_octet(&c, &octet) < 0) return SW_EADDRESS;
        address = address << 8 | octet;
    }
    if (sw_cursor_left(&c) > 0) return SW_EADDRESS;
    *out = address;
    return 0;
}

/** 0 when the text is not a decimal number of 32 bits. */
static uint32_t parse_mtu(struct sw_span text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return 0;
        value = value * 10 + (text.data[i] - '0');
        if (value > UINT32_MAX) return 0;
    }
    return (uint32_t)value;
}

int sw_frame_decode_auth_success(struct sw_cursor *c, struct sw_frame *out)
{
    enum { LOCAL, PEER, DNS, MTU, TEXTS };
    struct sw_frame_auth_success *success = &out->auth_success;
    struct sw_span text[TEXTS];

    if (sw_cursor_left(c) < SW_FRAME_AUTH_SUCCESS_LEN - 1) return SW_ESHORT;
    for (int i = 0; i < TEXTS; i++) {
        const int result = decode_text(c, &text[i]);
        if (result < 0) return result;
    }
    if (sw_cursor_copy(c, success->session.bytes, sizeof success->session.bytes) < 0)
        return SW_ESHORT;

    if (parse_ipv4(text[LOCAL], &success->local_ip) < 0 ||
        parse_ipv4(text[PEER], &success->peer_ip) < 0 ||
        parse_ipv4(text[DNS], &success->dns_ip) < 0)
        return SW_EADDRESS;
    success->mtu = parse_mtu(text[MTU]);
    return 0;
}

static int encode_ipv4(struct sw_writer *w, uint32_t address)
{
    char text[TEXT_FIELD];
    const int len = snprintf(text, sizeof text, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
                             address >> 8 & 255, address & 255);
    return encode_padded(w, (struct sw_span){(const uint8_t *)text, (size_t)len}, TEXT_FIELD);
}

/** An unknown MTU is an empty text. */
static int encode_mtu(struct sw_writer *w, uint32_t mtu)
{
    char text[TEXT_FIELD];
    const int len = mtu == 0 ? 0 : snprintf(text, sizeof text, "%u", mtu);
    return encode_padded(w, (struct sw_span){(const uint8_t *)text, (size_t)len}, TEXT_FIELD);
}

int sw_frame_encode_auth_success(struct sw_writer *w, const struct sw_frame *frame)
{
    const struct sw_frame_auth_success *success = &frame->auth_success;
    if (encode_ipv4(w, success->local_ip) < 0 || encode_ipv4(w, success->peer_ip) < 0 ||
        encode_ipv4(w, success->dns_ip) < 0 || encode_mtu(w, success->mtu) < 0)
        return SW_EFULL;
    return sw_writer_bytes(w, success->session.bytes, sizeof success->session.bytes);
}

int sw_frame_decode_auth_failure(struct sw_cursor *c, struct sw_frame *out)
{
    (void)out;
    return sw_cursor_skip(c, AUTH_FAILURE_BODY);
}

int sw_frame_encode_auth_failure(struct sw_writer *w, const struct sw_frame *frame)
{
    (void)frame;
    return sw_writer_zeros(w, AUTH_FAILURE_BODY);
}
