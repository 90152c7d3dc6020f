/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TESTS_FRAME_CHECK_H
#define SW_TESTS_FRAME_CHECK_H

/* What the tests of frames have in common: comparing them, and the checks every vector passes. */

#include "lib/wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/hex.h"

#define SPAN(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

/** Bytes of a frame as the protocol page shows them, and what they mean. */
struct frame_vector {
    const char *bytes;
    struct sw_frame frame;
};

/** Bytes that are no frame, and why. */
struct frame_error {
    const char *bytes;
    int error;
};

static inline void assert_span_equal(struct sw_span a, struct sw_span b)
{
    assert_int_equal(a.len, b.len);
    if (a.len > 0) assert_memory_equal(a.data, b.data, a.len);
}

static inline void assert_auth_request_equal(const struct sw_frame_auth_request *a,
                                             const struct sw_frame_auth_request *b)
{
    assert_int_equal(a->method, b->method);
    assert_int_equal(a->version.major, b->version.major);
    assert_int_equal(a->version.minor, b->version.minor);
    assert_span_equal(a->user, b->user);
    assert_span_equal(a->password, b->password);
    assert_span_equal(a->token, b->token);
}

static inline void assert_auth_success_equal(const struct sw_frame_auth_success *a,
                                             const struct sw_frame_auth_success *b)
{
    assert_int_equal(a->local_ip, b->local_ip);
    assert_int_equal(a->peer_ip, b->peer_ip);
    assert_int_equal(a->dns_ip, b->dns_ip);
    assert_int_equal(a->mtu, b->mtu);
    assert_memory_equal(a->session.bytes, b->session.bytes, sizeof a->session.bytes);
}

static inline void assert_expresslane_equal(const struct sw_frame_expresslane *a,
                                            const struct sw_frame_expresslane *b)
{
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->enabled, b->enabled);
    assert_int_equal(a->ack, b->ack);
    assert_true(a->counter == b->counter);
    assert_memory_equal(a->key, b->key, sizeof a->key);
}

static inline void assert_frame_equal(const struct sw_frame *a, const struct sw_frame *b)
{
    assert_int_equal(a->kind, b->kind);
    switch (a->kind) {
    case SW_FRAME_NOOP:
    case SW_FRAME_GOODBYE:
    case SW_FRAME_AUTH_FAILURE:
        break;
    case SW_FRAME_PING:
    case SW_FRAME_PONG:
        assert_int_equal(a->ping.id, b->ping.id);
        assert_span_equal(a->ping.payload, b->ping.payload);
        break;
    case SW_FRAME_AUTH_REQUEST:
        assert_auth_request_equal(&a->auth_request, &b->auth_request);
        break;
    case SW_FRAME_DATA:
    case SW_FRAME_ENCODED_DATA:
    case SW_FRAME_SERVER_CONFIG:
        assert_span_equal(a->data, b->data);
        break;
    case SW_FRAME_AUTH_SUCCESS:
        assert_auth_success_equal(&a->auth_success, &b->auth_success);
        break;
    case SW_FRAME_DATA_FRAG:
    case SW_FRAME_ENCODED_DATA_FRAG:
        assert_int_equal(a->frag.id, b->frag.id);
        assert_int_equal(a->frag.offset, b->frag.offset);
        assert_int_equal(a->frag.more, b->frag.more);
        assert_span_equal(a->frag.data, b->frag.data);
        break;
    case SW_FRAME_ENCODING_REQUEST:
    case SW_FRAME_ENCODING_RESPONSE:
        assert_true(a->encoding.id == b->encoding.id);
        assert_int_equal(a->encoding.enable, b->encoding.enable);
        break;
    case SW_FRAME_EXPRESSLANE_CONFIG:
        assert_expresslane_equal(&a->expresslane, &b->expresslane);
        break;
    }
}

/** Decodes a copy of its own of the bytes: the result, and an unmoved cursor if that is an error.
 */
static inline int decode_alone(const void *data, size_t len, struct sw_frame *out, struct hex *in)
{
    *in = hex_copy(data, len);
    struct sw_cursor c = sw_cursor(in->data, in->len);
    const int result = sw_frame_decode(&c, out);
    assert_ptr_equal(c.p, result < 0 ? in->data : in->data + in->len);
    assert_ptr_equal(c.end, in->data + in->len);
    return result;
}

/** Every prefix of a whole frame wants more bytes. */
static inline void check_prefixes(const void *data, size_t len)
{
    for (size_t n = 0; n < len; n++) {
        struct sw_frame frame;
        struct hex in;
        assert_int_equal(decode_alone(data, n, &frame, &in), SW_ESHORT);
        free(in.data);
    }
}

/** The frame encodes to exactly these bytes, and in no room smaller than that. */
static inline void check_encode(const struct sw_frame *frame, const void *data, size_t len)
{
    for (size_t room = len > 300 ? len - 300 : 0; room <= len; room++) {
        struct hex out = {malloc(room > 0 ? room : 1), room};
        assert_non_null(out.data);
        struct sw_writer w = sw_writer(out.data, out.len);
        assert_int_equal(sw_frame_encode(&w, frame), room < len ? SW_EFULL : 0);
        assert_int_equal(sw_writer_len(&w), room < len ? 0 : len);
        if (room == len) assert_memory_equal(out.data, data, len);
        free(out.data);
    }
}

/** Both directions, every prefix, every room. */
static inline void check_vector(const struct frame_vector *vector)
{
    struct hex bytes = hex(vector->bytes), in;
    struct sw_frame frame;
    assert_int_equal(decode_alone(bytes.data, bytes.len, &frame, &in), 0);
    assert_frame_equal(&frame, &vector->frame);
    check_encode(&frame, bytes.data, bytes.len);
    check_encode(&vector->frame, bytes.data, bytes.len);
    check_prefixes(bytes.data, bytes.len);
    free(in.data);
    free(bytes.data);
}

static inline void check_error(const struct frame_error *error)
{
    struct hex bytes = hex(error->bytes), in;
    struct sw_frame frame;
    const int result = decode_alone(bytes.data, bytes.len, &frame, &in);
    if (result != error->error)
        fail_msg("%.40s...: %d, not %d", error->bytes, result, error->error);
    free(in.data);
    free(bytes.data);
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#endif
