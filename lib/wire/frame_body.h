/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_WIRE_FRAME_BODY_H
#define SW_WIRE_FRAME_BODY_H

/*
 * Bodies of the authentication frames, which frame.c has in its table of kinds. Inside lib/wire
 * only. Each takes or appends what follows the kind byte; on error the cursor or writer may have
 * moved, the caller puts it back.
 */

#include "lib/wire/frame.h"

int sw_frame_decode_auth_request(struct sw_cursor *c, struct sw_frame *out);
int sw_frame_encode_auth_request(struct sw_writer *w, const struct sw_frame *frame);

int sw_frame_decode_auth_success(struct sw_cursor *c, struct sw_frame *out);
int sw_frame_encode_auth_success(struct sw_writer *w, const struct sw_frame *frame);

int sw_frame_decode_auth_failure(struct sw_cursor *c, struct sw_frame *out);
int sw_frame_encode_auth_failure(struct sw_writer *w, const struct sw_frame *frame);

#endif
