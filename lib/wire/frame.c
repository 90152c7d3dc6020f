/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Frames (docs/protocol/wire.md §6, §7): a kind byte and a body that delimits itself, so a receiver
 * must know every kind to find the next frame. One table holds, per kind, its name and how its body
 * is read and written; sw_frame_decode() and sw_frame_encode() look the kind up, keep the place
 * they started from, and return to it when the body does not work out. A body function may
 * therefore move and fail freely.
 *
 * Decoding checks form only, in the order the protocol prescribes (a length above its limit is an
 * error before its bytes have arrived). Whether a frame is acceptable in the present state is the
 * engine's question. The encoder refuses what no decoder would accept.
 *
 * The authentication frames, which are the long ones, are in frame_auth.c.
 */

#include "lib/wire/frame.h"

#include "lib/wire/frame_body.h"

#define FRAG_MORE        0x2000
#define FRAG_OFFSET_MASK 0x1fff
#define FRAG_UNIT        8

#define EXPRESSLANE_ENABLED 0x80
#define EXPRESSLANE_ACK     0x40

static int take_span(struct sw_cursor *c, size_t len, struct sw_span *out)
{
    out->len = len;
    return sw_cursor_bytes(c, len, &out->data);
}

static int decode_nothing(struct sw_cursor *c, struct sw_frame *out)
{
    (void)c;
    (void)out;
    return 0;
}

static int encode_nothing(struct sw_writer *w, const struct sw_frame *frame)
{
    (void)w;
    (void)frame;
    return 0;
}

static int decode_ping(struct sw_cursor *c, struct sw_frame *out)
{
    uint16_t len;
    if (sw_cursor_be16(c, &out->ping.id) < 0 || sw_cursor_be16(c, &len) < 0) return SW_ESHORT;
    return take_span(c, len, &out->ping.payload);
}

static int encode_ping(struct sw_writer *w, const struct sw_frame *frame)
{
    const struct sw_span payload = frame->ping.payload;
    if (payload.len > UINT16_MAX) return SW_ETOOLARGE;
    if (sw_writer_be16(w, frame->ping.id) < 0 || sw_writer_be16(w, (uint16_t)payload.len) < 0)
        return SW_EFULL;
    return sw_writer_bytes(w, payload.data, payload.len);
}

static int decode_data(struct sw_cursor *c, struct sw_frame *out)
{
    uint16_t len;
    if (sw_cursor_be16(c, &len) < 0) return SW_ESHORT;
    return take_span(c, len, &out->data);
}

static int encode_data(struct sw_writer *w, const struct sw_frame *frame)
{
    if (frame->data.len > UINT16_MAX) return SW_ETOOLARGE;
    if (sw_writer_be16(w, (uint16_t)frame->data.len) < 0) return SW_EFULL;
    return sw_writer_bytes(w, frame->data.data, frame->data.len);
}

static int decode_server_config(struct sw_cursor *c, struct sw_frame *out)
{
    uint16_t len;
    if (sw_cursor_be16(c, &len) < 0) return SW_ESHORT;
    if (len > SW_SERVER_CONFIG_MAX) return SW_ETOOLARGE;
    return take_span(c, len, &out->data);
}

static int encode_server_config(struct sw_writer *w, const struct sw_frame *frame)
{
    if (frame->data.len > SW_SERVER_CONFIG_MAX) return SW_ETOOLARGE;
    return encode_data(w, frame);
}

static int decode_frag(struct sw_cursor *c, struct sw_frame *out)
{
    struct sw_frame_frag *frag = &out->frag;
    uint16_t len, word;
    if (sw_cursor_be16(c, &len) < 0 || sw_cursor_be16(c, &frag->id) < 0 ||
        sw_cursor_be16(c, &word) < 0)
        return SW_ESHORT;
    frag->more = (word & FRAG_MORE) != 0;
    frag->offset = (uint32_t)(word & FRAG_OFFSET_MASK) * FRAG_UNIT;
    return take_span(c, len, &frag->data);
}

static int encode_frag(struct sw_writer *w, const struct sw_frame *frame)
{
    const struct sw_frame_frag *frag = &frame->frag;
    if (frag->data.len > UINT16_MAX || frag->offset > FRAG_OFFSET_MASK * FRAG_UNIT)
        return SW_ETOOLARGE;
    if (frag->offset % FRAG_UNIT != 0) return SW_EINVAL;

    const uint16_t word = (uint16_t)(frag->offset / FRAG_UNIT | (frag->more ? FRAG_MORE : 0));
    if (sw_writer_be16(w, (uint16_t)frag->data.len) < 0 || sw_writer_be16(w, frag->id) < 0 ||
        sw_writer_be16(w, word) < 0)
        return SW_EFULL;
    return sw_writer_bytes(w, frag->data.data, frag->data.len);
}

static int decode_encoding(struct sw_cursor *c, struct sw_frame *out)
{
    uint8_t enable;
    if (sw_cursor_be64(c, &out->encoding.id) < 0 || sw_cursor_u8(c, &enable) < 0) return SW_ESHORT;
    if (enable > 1) return SW_EBOOL;
    out->encoding.enable = enable == 1;
    return 0;
}

static int encode_encoding(struct sw_writer *w, const struct sw_frame *frame)
{
    if (sw_writer_be64(w, frame->encoding.id) < 0) return SW_EFULL;
    return sw_writer_u8(w, frame->encoding.enable);
}

static int decode_expresslane(struct sw_cursor *c, struct sw_frame *out)
{
    struct sw_frame_expresslane *config = &out->expresslane;
    uint8_t flags;
    if (sw_cursor_u8(c, &config->version) < 0 || sw_cursor_u8(c, &flags) < 0 ||
        sw_cursor_skip(c, 2) < 0 || sw_cursor_be64(c, &config->counter) < 0)
        return SW_ESHORT;
    config->enabled = (flags & EXPRESSLANE_ENABLED) != 0;
    config->ack = (flags & EXPRESSLANE_ACK) != 0;
    return sw_cursor_copy(c, config->key, sizeof config->key);
}

static int encode_expresslane(struct sw_writer *w, const struct sw_frame *frame)
{
    const struct sw_frame_expresslane *config = &frame->expresslane;
    const uint8_t flags =
        (config->enabled ? EXPRESSLANE_ENABLED : 0) | (config->ack ? EXPRESSLANE_ACK : 0);
    if (sw_writer_u8(w, config->version) < 0 || sw_writer_u8(w, flags) < 0 ||
        sw_writer_zeros(w, 2) < 0 || sw_writer_be64(w, config->counter) < 0)
        return SW_EFULL;
    return sw_writer_bytes(w, config->key, sizeof config->key);
}

struct kind {
    const char *name;
    int (*decode)(struct sw_cursor *c, struct sw_frame *out);
    int (*encode)(struct sw_writer *w, const struct sw_frame *frame);
};

/* By kind byte; a hole is a kind nobody has assigned. */
static const struct kind kinds[] = {
    [SW_FRAME_NOOP] = {"NoOp", decode_nothing, encode_nothing},
    [SW_FRAME_PING] = {"Ping", decode_ping, encode_ping},
    [SW_FRAME_PONG] = {"Pong", decode_ping, encode_ping},
    [SW_FRAME_AUTH_REQUEST] = {"AuthRequest", sw_frame_decode_auth_request,
                               sw_frame_encode_auth_request},
    [SW_FRAME_DATA] = {"Data", decode_data, encode_data},
    [SW_FRAME_AUTH_SUCCESS] = {"AuthSuccess", sw_frame_decode_auth_success,
                               sw_frame_encode_auth_success},
    [SW_FRAME_AUTH_FAILURE] = {"AuthFailure", sw_frame_decode_auth_failure,
                               sw_frame_encode_auth_failure},
    [SW_FRAME_GOODBYE] = {"Goodbye", decode_nothing, encode_nothing},
    [SW_FRAME_SERVER_CONFIG] = {"ServerConfig", decode_server_config, encode_server_config},
    [SW_FRAME_DATA_FRAG] = {"DataFrag", decode_frag, encode_frag},
    [SW_FRAME_ENCODED_DATA] = {"EncodedData", decode_data, encode_data},
    [SW_FRAME_ENCODED_DATA_FRAG] = {"EncodedDataFrag", decode_frag, encode_frag},
    [SW_FRAME_ENCODING_REQUEST] = {"EncodingRequest", decode_encoding, encode_encoding},
    [SW_FRAME_ENCODING_RESPONSE] = {"EncodingResponse", decode_encoding, encode_encoding},
    [SW_FRAME_EXPRESSLANE_CONFIG] = {"ExpresslaneConfig", decode_expresslane, encode_expresslane},
};

/** NULL for an unassigned kind. */
static const struct kind *find_kind(unsigned int kind)
{
    if (kind >= sizeof kinds / sizeof kinds[0] || kinds[kind].name == NULL) return NULL;
    return &kinds[kind];
}

int sw_frame_decode(struct sw_cursor *c, struct sw_frame *out)
{
    struct sw_cursor rest = *c;
    uint8_t byte;
    if (sw_cursor_u8(&rest, &byte) < 0) return SW_ESHORT;
    const struct kind *kind = find_kind(byte);
    if (kind == NULL) return SW_EKIND;

    out->kind = (enum sw_frame_kind)byte;
    const int result = kind->decode(&rest, out);
    if (result < 0) return result;
    *c = rest;
    return 0;
}

int sw_frame_encode(struct sw_writer *w, const struct sw_frame *frame)
{
    const struct kind *kind = find_kind(frame->kind);
    if (kind == NULL) return SW_EKIND;

    struct sw_writer rest = *w;
    if (sw_writer_u8(&rest, (uint8_t)frame->kind) < 0) return SW_EFULL;
    const int result = kind->encode(&rest, frame);
    if (result < 0) return result;
    *w = rest;
    return 0;
}

const char *sw_frame_kind_name(enum sw_frame_kind kind)
{
    const struct kind *found = find_kind(kind);
    return found == NULL ? "unknown" : found->name;
}
