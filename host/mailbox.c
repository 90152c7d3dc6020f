/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * One ring of bytes for every ordered pair of workers, so that each ring has one writer and one
 * reader: two positions are all they share (a ring of this kind is described in Linux'
 * Documentation/core-api/circular-buffers.rst).
 *
 * Positions only grow; their remainder by the size is the place. A mail is a head and its data in
 * one piece, in whole cells of 64 bytes; where it does not fit before the end of the ring, a filler
 * takes what is left and the mail starts at the beginning. The writer publishes a mail by moving
 * the written position past it (release), the reader frees it by moving the read position
 * (release). Each remembers what it last saw of the other's position, so that a busy ring bounces a
 * cache line only when it seems full or empty.
 *
 * The bound is in bytes, not in packets: what waits in a box is so much time of the reader's. An
 * empty box starts over at its beginning, so that one which is never full touches only a small part
 * of its memory.
 */

#include "host/mailbox.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CELL     64
#define DATA_MAX 65535

/* Head of a mail in the ring. */
struct letter {
    uint32_t size; /* bytes up to the next one */
    bool filler;
    struct sw_mail mail;
};

#define HEAD         ((sizeof(struct letter) + CELL - 1) / CELL * CELL)
#define LETTER(len)  ((HEAD + (len) + SW_MAIL_TAIL + CELL - 1) / CELL * CELL)
#define SMALLEST_BOX (2 * LETTER(DATA_MAX))
#define BEGINNING    (64 << 10) /* behind it an empty box starts over */

struct box {
    _Alignas(CELL) _Atomic uint64_t written;
    uint64_t read_seen; /* by the writer */
    _Alignas(CELL) _Atomic uint64_t read;
    uint64_t written_seen; /* by the reader */
    _Alignas(CELL) uint8_t *bytes;
};

struct sw_mailboxes {
    unsigned workers;
    uint64_t size; /* of each box, a power of two */
    struct box *boxes;
};

static struct box *box_of(struct sw_mailboxes *boxes, unsigned from, unsigned to)
{
    assert(from < boxes->workers && to < boxes->workers && from != to);
    return &boxes->boxes[to * boxes->workers + from];
}

static struct letter *letter_at(const struct sw_mailboxes *boxes, const struct box *box,
                                uint64_t position)
{
    return (struct letter *)(void *)(box->bytes + (position & (boxes->size - 1)));
}

struct sw_mailboxes *sw_mailboxes_new(unsigned workers, size_t bytes)
{
    struct sw_mailboxes *boxes = calloc(1, sizeof *boxes);
    if (boxes == NULL) return NULL;
    boxes->workers = workers;
    boxes->size = CELL;
    while (boxes->size < bytes || boxes->size < SMALLEST_BOX)
        boxes->size *= 2;
    boxes->boxes = aligned_alloc(CELL, (size_t)workers * workers * sizeof(struct box));
    if (boxes->boxes == NULL) goto no_memory;
    memset((void *)boxes->boxes, 0, (size_t)workers * workers * sizeof(struct box));
    for (unsigned from = 0; from < workers; from++) {
        for (unsigned to = 0; to < workers; to++) {
            if (from == to) continue;
            struct box *box = box_of(boxes, from, to);
            box->bytes = aligned_alloc(CELL, boxes->size);
            if (box->bytes == NULL) goto no_memory;
        }
    }
    return boxes;

no_memory:
    sw_mailboxes_free(boxes);
    return NULL;
}

void sw_mailboxes_free(struct sw_mailboxes *boxes)
{
    if (boxes == NULL) return;
    for (unsigned i = 0; boxes->boxes != NULL && i < boxes->workers * boxes->workers; i++)
        free(boxes->boxes[i].bytes);
    free(boxes->boxes);
    free(boxes);
}

/* Has the reader taken everything? Then what is left of the ring can be skipped. */
static bool starts_over(const struct sw_mailboxes *boxes, struct box *box, uint64_t at,
                        uint64_t size)
{
    uint64_t place = at & (boxes->size - 1);
    if (place < size || place < BEGINNING) return false;
    box->read_seen = atomic_load_explicit(&box->read, memory_order_acquire);
    return box->read_seen == at;
}

/* Where a letter of that size goes; a filler, if it needs one, is already written. */
static bool find_room(const struct sw_mailboxes *boxes, struct box *box, uint64_t size,
                      uint64_t *position)
{
    uint64_t at = atomic_load_explicit(&box->written, memory_order_relaxed);
    uint64_t to_end = boxes->size - (at & (boxes->size - 1));
    uint64_t skip = to_end < size || starts_over(boxes, box, at, size) ? to_end : 0;
    if (at + skip + size - box->read_seen > boxes->size) {
        box->read_seen = atomic_load_explicit(&box->read, memory_order_acquire);
        if (at + skip + size - box->read_seen > boxes->size) return false;
    }
    if (skip > 0) {
        struct letter *filler = letter_at(boxes, box, at);
        filler->size = (uint32_t)skip;
        filler->filler = true;
    }
    *position = at + skip;
    return true;
}

bool sw_mailboxes_put(struct sw_mailboxes *boxes, unsigned from, unsigned to,
                      const struct sw_mail *mail)
{
    struct box *box = box_of(boxes, from, to);
    uint64_t size = LETTER(mail->len), position;
    assert(mail->len <= DATA_MAX);
    if (!find_room(boxes, box, size, &position)) return false;
    struct letter *letter = letter_at(boxes, box, position);
    letter->size = (uint32_t)size;
    letter->filler = false;
    letter->mail = *mail;
    letter->mail.data = (uint8_t *)letter + HEAD;
    if (mail->len > 0) memcpy(letter->mail.data, mail->data, mail->len);
    atomic_store_explicit(&box->written, position + size, memory_order_release);
    return true;
}

struct sw_mail *sw_mailboxes_peek(struct sw_mailboxes *boxes, unsigned from, unsigned to)
{
    struct box *box = box_of(boxes, from, to);
    uint64_t at = atomic_load_explicit(&box->read, memory_order_relaxed);
    if (at == box->written_seen) {
        box->written_seen = atomic_load_explicit(&box->written, memory_order_acquire);
        if (at == box->written_seen) return NULL;
    }
    struct letter *letter = letter_at(boxes, box, at);
    if (letter->filler) { /* a letter was published together with it */
        at += letter->size;
        atomic_store_explicit(&box->read, at, memory_order_release);
        letter = letter_at(boxes, box, at);
    }
    return &letter->mail;
}

void sw_mailboxes_drop(struct sw_mailboxes *boxes, unsigned from, unsigned to)
{
    struct box *box = box_of(boxes, from, to);
    uint64_t at = atomic_load_explicit(&box->read, memory_order_relaxed);
    assert(at != box->written_seen);
    atomic_store_explicit(&box->read, at + letter_at(boxes, box, at)->size, memory_order_release);
}
