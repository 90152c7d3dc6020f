/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_SERVERS_H
#define SW_CLIENT_SERVERS_H

#include "client/client_options.h"

/** The option type of "servers": a list of maps in the file (struct sw_client_servers). */
extern const struct sw_option_type sw_type_client_servers;

/** Limits that servers entries and the top level share. */
#define SW_CLIENT_MTU_MIN   576
#define SW_CLIENT_MTU_MAX   1500
#define SW_CLIENT_LOGIN_MAX 50   /**< bytes of a user name or password */
#define SW_CLIENT_TOKEN_MAX 1345 /**< bytes of a token */

extern const struct sw_option_word sw_client_mode_words[];
extern const struct sw_option_word sw_client_cipher_words[];

/**
 * Makes config->servers what the program connects to: the list with everything inherited that
 * entries left out, or one entry from the top level if there is no list. Entries that nobody could
 * log in to are dropped with a warning; none left is an error.
 */
void sw_client_servers_complete(struct sw_option_load *load, struct sw_client_config *config);

/** Reads the CA file of every entry that names one. */
void sw_client_servers_read(struct sw_option_load *load, struct sw_client_config *config);

#endif
