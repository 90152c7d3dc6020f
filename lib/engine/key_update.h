/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_KEY_UPDATE_H
#define SW_ENGINE_KEY_UPDATE_H

#include <slipway/types.h>

#include "lib/base/span.h"
#include <stdbool.h>
#include <stdint.h>

struct sw_conn;

/** A server's replacement of one session's (D)TLS keys (docs/protocol/session.md §11). */
struct sw_key_update {
    bool pending;  /**< begun, and not yet followed by the client */
    bool asked;    /**< our KeyUpdate asks for the client's */
    bool repeated; /**< the one before it was not followed */
    sw_time
        since; /**< its last KeyUpdate; else the end of the last one, or when we became Online */
    uint8_t old_epoch; /**< low bits of the epoch that the client comes from */
    unsigned withheld; /**< records kept from the TLS library while it is pending */
};

/** Something came in by (D)TLS: notes that an update is over, or begins the next one if it is due
 * and authentic says that the client is there. */
void sw_key_update_run(struct sw_conn *conn, bool authentic);

/** Something was sent by (D)TLS: begins an update if the keys have sealed enough. */
void sw_key_update_after_send(struct sw_conn *conn);

/** Whether a protected record must not reach the TLS library now. */
bool sw_key_update_withholds(struct sw_conn *conn, struct sw_span record);

#endif
