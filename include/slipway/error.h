/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SLIPWAY_ERROR_H
#define SLIPWAY_ERROR_H

/*
 * Every function of libslipway that can fail returns 0 or a count on success and one of these
 * negative values on failure. sw_strerror() has a sentence for each. Which of them end a
 * connection is decided in one place, sw_error_is_fatal() (docs/protocol/session.md §21).
 */
enum sw_error {
    SW_OK = 0,

    /* Flow of control */
    SW_EAGAIN = -1,   /**< would block: call again when the peer, the socket or the clock moved */
    SW_EPENDING = -2, /**< the answer comes later, through the call the function names */

    /* The caller or the machine */
    SW_EINVAL = -10, /**< argument outside its documented range */
    SW_ENOMEM = -11, /**< allocation failed */
    SW_EFULL = -12,  /**< output buffer, queue or table is full */

    /* Decoding (docs/protocol/wire.md §9) */
    SW_ESHORT = -20,    /**< more bytes are needed */
    SW_EMAGIC = -21,    /**< header does not start with "He" */
    SW_EVERSION = -22,  /**< protocol version outside 1.1..1.3 */
    SW_EKIND = -23,     /**< unknown frame kind */
    SW_EENUM = -24,     /**< unknown authentication method */
    SW_EUTF8 = -25,     /**< text is not UTF-8 */
    SW_ETOOLARGE = -26, /**< length field above its limit */
    SW_EBOOL = -27,     /**< boolean byte is neither 0 nor 1 */
    SW_EADDRESS = -28,  /**< not a dotted-decimal IPv4 address */
    SW_EPACKET = -29,   /**< not a valid inside IPv4 packet */
    SW_EVNET = -30,     /**< virtio header contradicts the packet */
    SW_EOVERSIZE = -31, /**< packet or segment larger than the tunnel carries */

    /* The connection (docs/protocol/session.md §21) */
    SW_ESTATE = -40,        /**< not possible in the connection's present state */
    SW_EMODE = -41,         /**< frame meant for the other role */
    SW_ETIMEOUT = -42,      /**< the peer did not answer in time */
    SW_EUNAUTHORISED = -43, /**< the server refused our credentials */
    SW_EDENIED = -44,       /**< we refused the client's credentials */
    SW_EGOODBYE = -45,      /**< the peer said goodbye */
    SW_ECLOSED = -46,       /**< the connection has ended */
    SW_ENOADDRESS = -47,    /**< no inside address is free */
    SW_EREJECTED = -48,     /**< header carries the REJECTED session id */
    SW_ENOCODEC = -49,      /**< encoded packet, but no codec is installed */
    SW_ETRANSPORT = -50,    /**< frame not allowed on this transport */
    SW_EFRAGMENT = -51,     /**< fragments contradict each other */

    /* Expresslane (docs/protocol/expresslane.md §14) */
    SW_ENOKEY = -52,  /**< the direction has no key */
    SW_EAUTH = -53,   /**< not authentic under any key */
    SW_EREPLAY = -54, /**< seen before, or too old to tell */

    SW_ECODEC = -55, /**< the codec cannot go on */

    SW_EEXPIRED = -56, /**< what the client was let in with is no longer good */

    /* TLS */
    SW_ETLS = -60,       /**< TLS library failure that does not end a datagram connection */
    SW_ETLSFATAL = -61,  /**< fatal alert, or a failure the library cannot continue from */
    SW_ECERT = -62,      /**< the peer's certificate was not accepted */
    SW_ENAME = -63,      /**< the certificate does not carry the expected name */
    SW_EPEERCLOSED = -64 /**< close_notify */
};

/** One English sentence fragment for an error code, never NULL; "unknown error" outside the enum.
 */
const char *sw_strerror(int error);

#endif
