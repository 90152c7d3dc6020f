/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Which errors end a connection: the table of docs/protocol/session.md §21. A stream has no way to
 * resynchronise, so there all do; on UDP only those that say the session itself is over or the peer
 * is not what it should be.
 */

#include "lib/engine/conn.h"

static const int fatal_on_udp[] = {
    SW_ETIMEOUT,  SW_EUNAUTHORISED, SW_EDENIED,    SW_EGOODBYE, SW_ECLOSED,
    SW_EMODE,     SW_ETRANSPORT,    SW_ENOADDRESS, SW_EADDRESS, SW_ENOCODEC,
    SW_ETLSFATAL, SW_EPEERCLOSED,   SW_ECERT,      SW_ENAME,    SW_EENUM,
    SW_EUTF8,     SW_ETOOLARGE,     SW_EBOOL,      SW_ENOMEM,   SW_ECODEC,
};

bool sw_error_is_fatal(enum sw_transport transport, int error)
{
    if (error >= 0) return false;
    if (transport == SW_STREAM) return true;
    for (size_t i = 0; i < sizeof fatal_on_udp / sizeof fatal_on_udp[0]; i++)
        if (fatal_on_udp[i] == error) return true;
    return false;
}
