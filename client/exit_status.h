/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_EXIT_STATUS_H
#define SW_CLIENT_EXIT_STATUS_H

/*
 * What the client exits with, so that a script or service manager can tell why. Documented in
 * slipway-client(8), EXIT STATUS; the numbers are an interface. 2, wrong usage, never gets this
 * far.
 */

#include <slipway/types.h>

enum sw_client_exit {
    SW_EXIT_STOPPED = 0,     /**< ended by a signal */
    SW_EXIT_SETUP = 1,       /**< configuration, permissions, memory, TUN device, packet filter */
    SW_EXIT_LOGIN = 3,       /**< the server refused the login */
    SW_EXIT_UNREACHABLE = 4, /**< no server answered in time */
    SW_EXIT_NAME = 5,        /**< no address was found for any server */
    SW_EXIT_CERTIFICATE = 6, /**< the server's certificate was not accepted */
    SW_EXIT_SILENT = 7,      /**< the server does not answer any more */
    SW_EXIT_GOODBYE = 8,     /**< the server ended the connection */
    SW_EXIT_HOST = 9,        /**< TUN device, routes, DNS or packet filter, later */
    SW_EXIT_CONNECTION = 10, /**< the connection failed otherwise */
};

/** For the error of a CLOSED event; was_online: it had been Online. */
enum sw_client_exit sw_exit_of_error(int error, bool was_online);

/** Which of two reasons for which servers could not be used tells more. */
enum sw_client_exit sw_exit_more_telling(enum sw_client_exit a, enum sw_client_exit b);

/** Whether trying again may help without somebody doing something about it. */
bool sw_exit_is_passing(enum sw_client_exit status);

#endif
