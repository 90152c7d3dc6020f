/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_FRAGMENTS_H
#define SW_ENGINE_FRAGMENTS_H

/*
 * Inside packets that do not fit one datagram travel as several DataFrag frames
 * (docs/protocol/session.md §18).
 */

#include "lib/engine/conn.h"

/** Most fragments that a packet is sent in: what our own reassembly takes. */
#define SW_FRAGMENTS_MAX 64

/** Can the connection carry a packet of len bytes in fragments? */
bool sw_fragments_fit(const struct sw_conn *conn, size_t len);

/**
 * Sends a packet in fragments, over DTLS whatever lane is active. 0: sent, or dropped and counted.
 * SW_EAGAIN: no room; what was sent of it is worth nothing, the packet must be sent again.
 */
int sw_fragments_send(struct sw_conn *conn, const uint8_t *data, size_t len, bool encoded);

/**
 * A fragment came in. True: it made a packet whole, at *data, to be changed at will and valid until
 * the next call of the engine. False: it was kept, or dropped and counted.
 */
bool sw_fragments_take(struct sw_conn *conn, const struct sw_frame_frag *frag, uint8_t **data,
                       size_t *len);

#endif
