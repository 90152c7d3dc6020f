/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_WIRE_FRAME_H
#define SW_WIRE_FRAME_H

/*
 * Frames: what travels inside (D)TLS records (docs/protocol/wire.md §6, §7). A decoded frame points
 * into the buffer it was decoded from; nothing is copied or allocated.
 */

#include <slipway/types.h>

#include "lib/base/cursor.h"
#include "lib/base/span.h"

enum sw_frame_kind {
    SW_FRAME_NOOP = 1,
    SW_FRAME_PING = 2,
    SW_FRAME_PONG = 3,
    SW_FRAME_AUTH_REQUEST = 4,
    SW_FRAME_DATA = 5,
    SW_FRAME_AUTH_SUCCESS = 6,
    SW_FRAME_AUTH_FAILURE = 7,
    SW_FRAME_GOODBYE = 12,
    SW_FRAME_SERVER_CONFIG = 14,
    SW_FRAME_DATA_FRAG = 15,
    SW_FRAME_ENCODED_DATA = 16,
    SW_FRAME_ENCODED_DATA_FRAG = 17,
    SW_FRAME_ENCODING_REQUEST = 18,
    SW_FRAME_ENCODING_RESPONSE = 19,
    SW_FRAME_EXPRESSLANE_CONFIG = 20,
};

enum sw_auth_method {
    SW_AUTH_USER_PASS = 1,
    SW_AUTH_TOKEN = 2,
    SW_AUTH_VERSIONED_TOKEN = 3,
    SW_AUTH_CUSTOM = 23,
};

#define SW_FRAME_DATA_OVERHEAD      3
#define SW_FRAME_FRAG_OVERHEAD      7
#define SW_FRAME_PING_OVERHEAD      5
#define SW_FRAME_AUTH_SUCCESS_LEN   105
#define SW_FRAME_AUTH_FAILURE_LEN   53
#define SW_FRAME_USER_PASS_LEN      104
#define SW_AUTH_TEXT_MAX            50 /**< user, password: bytes each */
#define SW_AUTH_TOKEN_MAX           1347
#define SW_AUTH_VERSIONED_TOKEN_MAX 1345
#define SW_AUTH_CUSTOM_MAX          1347
#define SW_SERVER_CONFIG_MAX        1348
#define SW_EXPRESSLANE_KEY_LEN      32

struct sw_frame_ping {
    uint16_t id;
    struct sw_span payload;
};

struct sw_frame_auth_request {
    enum sw_auth_method method;
    struct sw_version version; /**< VERSIONED_TOKEN only */
    struct sw_span user;       /**< USER_PASS only */
    struct sw_span password;   /**< USER_PASS only */
    struct sw_span token;      /**< TOKEN, VERSIONED_TOKEN, and the data of CUSTOM */
};

struct sw_frame_auth_success {
    uint32_t local_ip; /**< the client's inside address; host byte order, like the next two */
    uint32_t peer_ip;
    uint32_t dns_ip;
    uint32_t mtu; /**< 0: unknown (text was not a number) */
    struct sw_session_id session;
};

struct sw_frame_frag {
    uint16_t id;
    uint32_t offset; /**< bytes, 0..65528, multiple of 8 */
    bool more;
    struct sw_span data;
};

struct sw_frame_encoding {
    uint64_t id;
    bool enable;
};

struct sw_frame_expresslane {
    uint8_t version;
    bool enabled;
    bool ack;
    uint64_t counter;
    uint8_t key[SW_EXPRESSLANE_KEY_LEN];
};

struct sw_frame {
    enum sw_frame_kind kind;
    union {
        struct sw_frame_ping ping;                 /**< PING, PONG */
        struct sw_frame_auth_request auth_request; /**< AUTH_REQUEST */
        struct sw_span data;                       /**< DATA, ENCODED_DATA, SERVER_CONFIG */
        struct sw_frame_auth_success auth_success; /**< AUTH_SUCCESS */
        struct sw_frame_frag frag;                 /**< DATA_FRAG, ENCODED_DATA_FRAG */
        struct sw_frame_encoding encoding;         /**< ENCODING_REQUEST, ENCODING_RESPONSE */
        struct sw_frame_expresslane expresslane;   /**< EXPRESSLANE_CONFIG */
    };
};

/**
 * Takes one frame from the front of c. On error c does not move: SW_ESHORT (more bytes may complete
 * it), SW_EKIND, SW_EENUM, SW_EUTF8, SW_ETOOLARGE, SW_EBOOL, SW_EVERSION, SW_EADDRESS.
 */
int sw_frame_decode(struct sw_cursor *c, struct sw_frame *out);

/**
 * Appends the frame to w. On error w does not move: SW_EFULL (no room); and for what no peer could
 * decode SW_ETOOLARGE (a field above its limit), SW_EINVAL (fragment offset not a multiple of 8),
 * SW_EUTF8, SW_EVERSION, SW_EENUM, SW_EKIND.
 */
int sw_frame_encode(struct sw_writer *w, const struct sw_frame *frame);

/** Name for logs ("AuthRequest"); "unknown" outside the enum. */
const char *sw_frame_kind_name(enum sw_frame_kind kind);

#endif
