/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_PEM_H
#define SW_HOST_PEM_H

#include <stdbool.h>

/** True if text is certificates rather than the path of a file with certificates. */
bool sw_pem_is_text(const char *text);

/**
 * A new string with every certificate of text in the usual layout: markers on lines of their own,
 * 64 characters of base64 per line. Line breaks of the input do not matter, text around the
 * certificates is left out. NULL without memory, or with *why set to what is wrong.
 */
char *sw_pem_normalise(const char *text, const char **why);

#endif
