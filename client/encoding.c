/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The switch enable_inside_pkt_encoding, at connecting and at a reload. This program has no codec,
 * so all that comes of it is a line in the log; one built with a codec asks the server.
 */

#define SW_LOG_TARGET "client"

#include <slipway/error.h>

#include "client/client_internal.h"
#include "host/log.h"

void sw_client_set_encoding(struct sw_client *client, bool enable)
{
    if (client->conn == NULL || sw_conn_state(client->conn) != SW_STATE_ONLINE) return;
    int error = sw_conn_set_encoding(client->conn, enable, sw_worker_now());
    if (error == 0)
        sw_log_info("asking the server to %s encoding inside packets", enable ? "begin" : "stop");
    else if (error == SW_ENOCODEC)
        sw_log_warn("enable_inside_pkt_encoding: this program has no codec, packets stay as "
                    "they are");
    else
        sw_log_warn("enable_inside_pkt_encoding: %s", sw_strerror(error));
    sw_worker_flush(client->worker);
}
