/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_CANDIDATE_H
#define SW_CLIENT_CANDIDATE_H

/*
 * One entry of the server list on its way to a connection: its name resolved, its addresses tried
 * (RFC 8305). Like an attempt it reports nothing and has the client look.
 */

#include "client/address_list.h"
#include "client/attempt.h"
#include "client/selection.h"

struct sw_resolving;

/** An address of it. */
struct sw_target {
    struct sw_address address;
    bool tried;                 /**< and not to be tried again */
    struct sw_attempt *attempt; /**< NULL: none under way */
};

struct sw_candidate {
    struct sw_client *client;
    const struct sw_client_server *server;
    enum sw_contender state;
    enum sw_client_exit exit; /**< FAILED: why, as a status */
    char why[256];            /**< and as a sentence */

    struct sw_resolving *resolving; /**< NULL: its name is not being resolved */
    sw_time resolve_by;             /**< then the addresses known from before are tried … */
    sw_time resolve_until;          /**< … and here it is waited for no longer */
    struct sw_target targets[SW_ADDRESS_LIST_MAX];
    size_t n;           /**< those are kept from one round to the next */
    bool may_start;     /**< its addresses may be tried now */
    sw_time next_start; /**< when the next of them is */
};

void sw_candidate_init(struct sw_candidate *candidate, struct sw_client *client,
                       const struct sw_client_server *server);

/** Begins a round: all its addresses count as untried, its name is resolved (again). */
void sw_candidate_begin(struct sw_candidate *candidate, sw_time now);

/** Looks at what has changed, and does what is due. */
void sw_candidate_turn(struct sw_candidate *candidate, sw_time now);
sw_time sw_candidate_deadline(const struct sw_candidate *candidate);

/** Whether an address of it has been tried in this round. */
bool sw_candidate_has_started(const struct sw_candidate *candidate);

/** The attempt that is Online. The caller owns it from now on. */
struct sw_attempt *sw_candidate_take(struct sw_candidate *candidate);

/**
 * Ends the round, whatever its state. politely: handshakes under way are finished in the background
 * so that servers can be told.
 */
void sw_candidate_end(struct sw_candidate *candidate, bool politely, sw_time now);

#endif
