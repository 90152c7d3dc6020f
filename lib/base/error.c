/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The texts of the error codes. They are sentence fragments, written to follow a colon in a log
 * line ("connection 10.0.0.1:443: the peer said goodbye"), so they begin in lower case and end
 * without a full stop. The array is indexed by the negated code; a gap in the enum is a NULL here
 * and reads as "unknown error".
 */

#include <slipway/error.h>
#include <stddef.h>

static const char *const texts[] = {
    [-SW_OK] = "success",

    [-SW_EAGAIN] = "not possible right now",
    [-SW_EPENDING] = "the answer comes later",

    [-SW_EINVAL] = "invalid argument",
    [-SW_ENOMEM] = "out of memory",
    [-SW_EFULL] = "no room left",

    [-SW_ESHORT] = "more bytes are needed",
    [-SW_EMAGIC] = "not a Lightway header",
    [-SW_EVERSION] = "protocol version outside 1.1 to 1.3",
    [-SW_EKIND] = "unknown kind of frame",
    [-SW_EENUM] = "unknown authentication method",
    [-SW_EUTF8] = "text is not valid UTF-8",
    [-SW_ETOOLARGE] = "length field above its limit",
    [-SW_EBOOL] = "boolean is neither 0 nor 1",
    [-SW_EADDRESS] = "not a dotted-decimal IPv4 address",
    [-SW_EPACKET] = "not a valid inside IPv4 packet",
    [-SW_EVNET] = "virtio header contradicts the packet",
    [-SW_EOVERSIZE] = "packet is larger than the tunnel carries",

    [-SW_ESTATE] = "not possible in the connection's present state",
    [-SW_EMODE] = "frame is meant for the other role",
    [-SW_ETIMEOUT] = "the peer did not answer in time",
    [-SW_EUNAUTHORISED] = "the server refused our credentials",
    [-SW_EDENIED] = "the client's credentials were refused",
    [-SW_EGOODBYE] = "the peer said goodbye",
    [-SW_ECLOSED] = "the connection has ended",
    [-SW_ENOADDRESS] = "no inside address is free",
    [-SW_EREJECTED] = "the header carries the REJECTED session id",
    [-SW_ENOCODEC] = "encoded packet, but no codec is installed",
    [-SW_ETRANSPORT] = "frame is not allowed on this transport",
    [-SW_EFRAGMENT] = "fragments contradict each other",

    [-SW_ENOKEY] = "there is no key for it",
    [-SW_EAUTH] = "not authentic",
    [-SW_EREPLAY] = "replayed, or too old to tell",
    [-SW_EEXPIRED] = "what the client was let in with has expired",

    [-SW_ECODEC] = "the codec failed",

    [-SW_ETLS] = "TLS failure",
    [-SW_ETLSFATAL] = "fatal TLS failure",
    [-SW_ECERT] = "the peer's certificate was not accepted",
    [-SW_ENAME] = "the certificate does not carry the expected name",
    [-SW_EPEERCLOSED] = "the peer closed the connection",
};

const char *sw_strerror(int error)
{
    const int count = (int)(sizeof texts / sizeof texts[0]);
    if (error > 0 || error <= -count || texts[-error] == NULL) return "unknown error";
    return texts[-error];
}
