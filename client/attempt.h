/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_ATTEMPT_H
#define SW_CLIENT_ATTEMPT_H

/*
 * One try to connect to one address of one server: TCP's own connection where there is one, then
 * the protocol up to Online. It reports nothing; whenever something about it changes it has the
 * client look (sw_client_kick()), and the fields below tell what there is to see.
 */

#include <uv.h>

#include "client/client_options.h"
#include "client/exit_status.h"
#include "host/tcp.h"
#include "host/trial.h"
#include "lib/base/list.h"

struct sw_client;

struct sw_attempt {
    struct sw_list link; /**< among the client's parting ones */
    struct sw_client *client;
    const struct sw_client_server *server;
    struct sw_address address;
    struct sw_address local; /**< TCP: where from; family 0: not known */
    sw_time until;           /**< by then it is Online */
    sw_time refused_at;      /**< word came that nobody listens there; SW_NEVER: it did not */
    sw_time part_by;         /**< a parting one's last moment */

    struct sw_tls_context *tls;
    struct sw_dial *dial;
    struct sw_trial *trial;
    struct sw_conn *conn; /**< NULL: none, or no more */

    bool heard;               /**< something came from the server */
    bool online;              /**< and it is Online, or was */
    bool over;                /**< it came to nothing: */
    enum sw_client_exit exit; /**< why, as a status */
    char why[256];            /**< and as a sentence */
};

/** Begins. What cannot even begin is over at once. NULL: out of memory. */
struct sw_attempt *sw_attempt_start(struct sw_client *client, const struct sw_client_server *server,
                                    const struct sw_address *address, sw_time now);

/** When sw_attempt_turn() wants to be called; SW_NEVER if nothing is due. */
sw_time sw_attempt_deadline(const struct sw_attempt *attempt);
void sw_attempt_turn(struct sw_attempt *attempt, sw_time now);

/** Ends it, with a goodbye where there is somebody to hear it. Not from an engine's event. */
void sw_attempt_free(struct sw_attempt *attempt);

/**
 * The same without losing the server's half of it: where a handshake is under way it is finished
 * first, in the background, because only then can a goodbye be said and the server forget it.
 */
void sw_attempt_part(struct sw_attempt *attempt, sw_time now);

/** Has the client look at its attempts, soon. Allowed everywhere. */
void sw_client_kick(struct sw_client *client);

/** Why a connection ended, in words. */
void sw_client_explain(const struct sw_event *event, const struct sw_client_server *server,
                       bool was_online, bool heard, char *why, size_t size);

#endif
