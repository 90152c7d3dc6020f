/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_PROGRAM_H
#define SW_HOST_PROGRAM_H

/* Other programs that set something up on the host: nft, resolvconf and their like. */

#include <stdbool.h>
#include <stddef.h>

/** The longest that such a program may take. */
#define SW_PROGRAM_PATIENCE_MS 15000

/** Whether PATH has a program of this name. */
bool sw_program_exists(const char *name);

/**
 * Runs argv[0] of PATH with input on its standard input (NULL: nothing) and waits for its end, so
 * only where a moment's wait does no harm. 0 if its exit status is 0; else a negative SW_E… and in
 * why one sentence that names the program, with the first line that it wrote to standard error. One
 * that has not ended after SW_PROGRAM_PATIENCE_MS is killed.
 */
int sw_program_run(const char *const argv[], const char *input, char *why, size_t why_size);

/** The same, with what it wrote to standard output and standard error in *output, freed by the
 * caller; NULL on failure. */
int sw_program_output(const char *const argv[], const char *input, char **output, char *why,
                      size_t why_size);

#endif
