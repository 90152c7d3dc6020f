/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Why the client ends, as a number (client/exit_status.h). */

#include "client/exit_status.h"

#include <slipway/error.h>

enum sw_client_exit sw_exit_of_error(int error, bool was_online)
{
    switch (error) {
    case SW_EUNAUTHORISED:
        return SW_EXIT_LOGIN;
    case SW_ECERT:
    case SW_ENAME:
        return SW_EXIT_CERTIFICATE;
    case SW_EGOODBYE:
    case SW_EPEERCLOSED:
        return was_online ? SW_EXIT_GOODBYE : SW_EXIT_CONNECTION;
    case SW_ETIMEOUT:
        return was_online ? SW_EXIT_SILENT : SW_EXIT_UNREACHABLE;
    default:
        return SW_EXIT_CONNECTION;
    }
}

/* A server that answered and said no knows more than one that was not there. */
static unsigned weight(enum sw_client_exit status)
{
    static const enum sw_client_exit order[] = {
        SW_EXIT_NAME, SW_EXIT_UNREACHABLE, SW_EXIT_CONNECTION, SW_EXIT_CERTIFICATE, SW_EXIT_LOGIN,
    };
    for (unsigned i = 0; i < sizeof order / sizeof order[0]; i++)
        if (order[i] == status) return i + 1;
    return 0;
}

enum sw_client_exit sw_exit_more_telling(enum sw_client_exit a, enum sw_client_exit b)
{
    return weight(b) > weight(a) ? b : a;
}

bool sw_exit_is_passing(enum sw_client_exit status)
{
    return status == SW_EXIT_UNREACHABLE || status == SW_EXIT_NAME || status == SW_EXIT_SILENT ||
           status == SW_EXIT_GOODBYE || status == SW_EXIT_CONNECTION;
}
