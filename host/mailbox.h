/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_MAILBOX_H
#define SW_HOST_MAILBOX_H

/*
 * Mail between the workers of a program: datagrams and packets that arrived at one of them and
 * belong to another. Bounded; no locks, no allocation.
 */

#include <slipway/types.h>
#include <slipway/vnet.h>

#define SW_WORKERS_MAX 64 /**< workers of a program */

/** Bytes that may be read behind the data of a mail, as behind a packet read from a TUN. */
#define SW_MAIL_TAIL 64

enum sw_mail_kind {
    SW_MAIL_DATAGRAM = 1,  /**< from outside: path, data */
    SW_MAIL_INSIDE,        /**< packet or superpacket of the TUN: vnet, data */
    SW_MAIL_ADDRESS_TAKEN, /**< a client of the sender has proved that it is at path.remote */
    SW_MAIL_STREAM,        /**< an accepted TCP connection: path, data holds the descriptor (int) */
};

struct sw_mail {
    enum sw_mail_kind kind;
    uint32_t len; /**< of data, up to 65535 */
    struct sw_path path;
    struct sw_vnet vnet;
    uint8_t *data; /**< reading: in the box, may be changed */
};

struct sw_mailboxes;

/**
 * Boxes for that many workers, 1..SW_WORKERS_MAX; each holds about bytes of mail (rounded up to a
 * power of two, at least two of the longest). Memory is taken by the system as it is first used.
 * NULL: out of memory.
 */
struct sw_mailboxes *sw_mailboxes_new(unsigned workers, size_t bytes);
void sw_mailboxes_free(struct sw_mailboxes *boxes);

/** Copies a mail into the box; only worker from may call it. False: the box is full. */
bool sw_mailboxes_put(struct sw_mailboxes *boxes, unsigned from, unsigned to,
                      const struct sw_mail *mail);

/**
 * The first mail from that worker, or NULL; it stays there, and stays the first, until
 * sw_mailboxes_drop(). Only worker to may call these two.
 */
struct sw_mail *sw_mailboxes_peek(struct sw_mailboxes *boxes, unsigned from, unsigned to);
void sw_mailboxes_drop(struct sw_mailboxes *boxes, unsigned from, unsigned to);

#endif
