/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_JOURNAL_H
#define SW_CLIENT_JOURNAL_H

/* The file that says what a running client has changed on its host. */

#include <stdbool.h>
#include <stddef.h>

struct sw_journal;

/**
 * Opens the file, made with its directory if it is not there, and locks it for the life of this
 * process. What it holds is what a client that died left behind. 0, or a negative SW_E… with one
 * sentence in why; SW_EFULL if another process that runs has it.
 */
int sw_journal_open(const char *path, struct sw_journal **out, char *why, size_t why_size);

/**
 * The lines of the earlier client, oldest first, without the header; index past the end: NULL. None
 * if they speak of another network namespace.
 */
const char *sw_journal_left(const struct sw_journal *journal, size_t index);

/** Forgets everything noted so far and what was left. NULL is fine. */
void sw_journal_clear(struct sw_journal *journal);

/** Adds a line, before what it says is done. NULL is fine. Failing to write warns once. */
void sw_journal_note(struct sw_journal *journal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Removes the file, unless keep, and frees. NULL is fine. */
void sw_journal_close(struct sw_journal *journal, bool keep);

#endif
