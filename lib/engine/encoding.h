/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_ENCODING_H
#define SW_ENGINE_ENCODING_H

/* The inside packet codec of a connection (docs/protocol/session.md §16). */

#include <slipway/codec.h>

#include "lib/wire/frame.h"

/** Longest packet that is offered to an encoder. */
#define SW_ENCODE_MAX 65536

struct sw_encoding {
    void *instance; /**< the codec's */
    bool enabled;
    uint64_t id; /**< client: of the last request; server: the highest seen */

    /* Client */
    bool pending; /**< a request is not answered yet */
    bool wanted;  /**< what it asked for */
    unsigned repeated;
    sw_time delivered; /**< when the TUN last got a packet, or encoding came on */
};

/** The codec's instance. 0 or SW_ENOMEM. */
int sw_encoding_attach(struct sw_conn *conn);
void sw_encoding_detach(struct sw_conn *conn);

/** The client is Online: asks for encoding if it is configured to. */
void sw_encoding_online(struct sw_conn *conn);

/** SW_TIMER_ENCODING: repeats the request, or gives up. */
void sw_encoding_timer(struct sw_conn *conn);

/** Client, after a packet was sent: turns encoding off when nothing comes back. */
void sw_encoding_watch(struct sw_conn *conn);

/** 0 or an error. */
int sw_encoding_request(struct sw_conn *conn, const struct sw_frame_encoding *request);
int sw_encoding_response(struct sw_conn *conn, const struct sw_frame_encoding *response);

/** Gives the decoder what the peer has encoded; only where it is possible. */
enum sw_codec_result sw_encoding_decode(struct sw_conn *conn, const uint8_t *bytes, size_t len);

/** Whether there is a codec that a peer's encoded packets can be given to. */
bool sw_encoding_possible(const struct sw_conn *conn);

#endif
