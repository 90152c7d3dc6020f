/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_SLURP_H
#define SW_HOST_SLURP_H

#include <stddef.h>

/**
 * Reads a whole regular file of at most max bytes into a new buffer that ends with an extra NUL.
 * Returns 0 or a negative SW_E…; why then says what was wrong, without the path.
 */
int sw_slurp(const char *path, size_t max, char **bytes, size_t *len, char *why, size_t why_size);

#endif
