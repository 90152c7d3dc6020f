/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PEM certificates that went through a YAML file. A folded block scalar ("ca_cert: >") turns every
 * line break into a space, so a whole certificate arrives as one line; most PEM readers refuse
 * that. Here the text is taken apart at its markers and laid out again. Only the layout is checked;
 * whether the base64 is a certificate is for the TLS library to say.
 */
#include "host/pem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END   "-----END CERTIFICATE-----"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=';
}

bool sw_pem_is_text(const char *text)
{
    while (is_blank(*text))
        text++;
    return strncmp(text, BEGIN, sizeof BEGIN - 1) == 0;
}

/* Prints one certificate, p standing behind BEGIN. Returns the place behind END, or NULL. */
static const char *print_certificate(const char *p, FILE *out, const char **why)
{
    size_t column = 0;
    size_t total = 0;

    fputs(BEGIN "\n", out);
    for (; *p != '\0' && *p != '-'; p++) {
        if (is_blank(*p)) continue;
        if (!is_base64(*p)) {
            *why = "holds a character that is not base64 inside a certificate";
            return NULL;
        }
        fputc(*p, out);
        total++;
        if (++column == 64) {
            fputc('\n', out);
            column = 0;
        }
    }
    if (strncmp(p, END, sizeof END - 1) != 0) {
        *why = "lacks the line " END;
        return NULL;
    }
    if (total == 0) {
        *why = "holds an empty certificate";
        return NULL;
    }
    fputs(column > 0 ? "\n" END "\n" : END "\n", out);
    return p + sizeof END - 1;
}

char *sw_pem_normalise(const char *text, const char **why)
{
    char *pem = NULL;
    size_t size;
    size_t count = 0;
    const char *p = text;
    FILE *out = open_memstream(&pem, &size);

    *why = NULL;
    if (out == NULL) return NULL;
    while (p != NULL && (p = strstr(p, BEGIN)) != NULL) {
        p = print_certificate(p + sizeof BEGIN - 1, out, why);
        count++;
    }
    bool failed = ferror(out) != 0;
    failed |= fclose(out) != 0;
    if (count == 0) *why = "holds no certificate in PEM form (" BEGIN ")";
    if (failed || *why != NULL) {
        free(pem);
        return NULL;
    }
    return pem;
}
