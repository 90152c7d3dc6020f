/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON as text for people. The programs describe their state once, as JSON; this turns any such
 * object into aligned lines and tables without knowing what it is about, so that both forms always
 * say the same. Texts may hold what strangers sent (user names, certificate names) and end on a
 * terminal: control characters are replaced.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/control.h"

#define DEPTH_MAX   4
#define COLUMNS_MAX 24

/* Characters on the screen, taking every character as one column wide. */
static int display_width(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += (*text & 0xc0) != 0x80;
    return width;
}

static void print_padded(const char *text, int width, FILE *out)
{
    fputs(text, out);
    fprintf(out, "%*s", width > display_width(text) ? width - display_width(text) : 0, "");
}

static void print_clean(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        fputc(c < ' ' || c == 0x7f ? '?' : c, out);
    }
}

static void print_scalar(const json_t *value, FILE *out)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        print_clean(json_string_value(value), out);
        break;
    case JSON_INTEGER:
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        fprintf(out, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
        fputs("yes", out);
        break;
    case JSON_FALSE:
        fputs("no", out);
        break;
    case JSON_NULL:
        fputs("-", out);
        break;
    default: /* a list or object where there is no room for one */
        fprintf(out, "(%zu)",
                json_is_array(value) ? json_array_size(value) : json_object_size(value));
    }
}

/* Anything that fits on the line of its key: a plain value, or a list of plain values. */
static bool is_inline(const json_t *value)
{
    if (json_is_object(value)) return false;
    if (!json_is_array(value)) return true;
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (json_is_object(json_array_get(value, i))) return false;
    }
    return true;
}

static void print_inline(const json_t *value, FILE *out)
{
    if (!json_is_array(value)) {
        print_scalar(value, out);
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (i > 0) fputs(", ", out);
        print_scalar(json_array_get(value, i), out);
    }
    if (json_array_size(value) == 0) fputs("none", out);
}

/* The value as a new string; NULL without memory. */
static char *inline_text(const json_t *value)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL) return NULL;
    if (value == NULL)
        fputs("-", out);
    else if (is_inline(value))
        print_inline(value, out);
    else
        print_scalar(value, out);
    fclose(out);
    return text;
}

/* A key as people write it: underscores are spaces. */
static void key_text(const char *key, char out[64])
{
    snprintf(out, 64, "%s", key);
    for (char *p = out; *p != '\0'; p++) {
        if (*p == '_') *p = ' ';
    }
}

/* --- tables -------------------------------------------------------------------------------- */

struct column {
    const char *key;
    int width;
};

/* The keys of all rows, in the order they first appear, each with its widest cell. */
static size_t find_columns(const json_t *rows, struct column columns[COLUMNS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *key;
        json_t *value;
        json_object_foreach(row, key, value)
        {
            size_t c = 0;
            char header[64];
            while (c < n && strcmp(columns[c].key, key) != 0)
                c++;
            if (c == COLUMNS_MAX) continue;
            key_text(key, header);
            if (c == n) columns[n++] = (struct column){key, display_width(header)};
            char *cell = inline_text(value);
            if (cell != NULL && display_width(cell) > columns[c].width)
                columns[c].width = display_width(cell);
            free(cell);
        }
    }
    return n;
}

static void print_table(const json_t *rows, int indent, FILE *out)
{
    struct column columns[COLUMNS_MAX];
    size_t n = find_columns(rows, columns);

    for (size_t r = 0; r <= json_array_size(rows); r++) {
        fprintf(out, "%*s", indent, "");
        for (size_t c = 0; c < n; c++) {
            char header[64];
            int width = c + 1 < n ? columns[c].width + 2 : 0;
            key_text(columns[c].key, header);
            if (r == 0) {
                print_padded(header, width, out);
                continue;
            }
            char *cell = inline_text(json_object_get(json_array_get(rows, r - 1), columns[c].key));
            if (cell != NULL) print_padded(cell, width, out);
            free(cell);
        }
        fputc('\n', out);
    }
}

/* --- objects ------------------------------------------------------------------------------- */

static void print_object(json_t *object, int depth, FILE *out)
{
    const char *key;
    json_t *value;
    char shown[64];
    int width = 0;

    json_object_foreach(object, key, value)
    {
        key_text(key, shown);
        if (is_inline(value) && display_width(shown) > width) width = display_width(shown);
    }
    json_object_foreach(object, key, value)
    {
        if (!is_inline(value)) continue;
        key_text(key, shown);
        strncat(shown, ":", sizeof shown - strlen(shown) - 1);
        fprintf(out, "%*s", 2 * depth, "");
        print_padded(shown, width + 2, out);
        print_inline(value, out);
        fputc('\n', out);
    }
    json_object_foreach(object, key, value)
    {
        if (is_inline(value)) continue;
        key_text(key, shown);
        fprintf(out, "%s%*s%s:\n", depth == 0 ? "\n" : "", 2 * depth, "", shown);
        if (json_is_array(value))
            print_table(value, 2 * depth + 2, out);
        else if (depth + 1 < DEPTH_MAX)
            print_object(value, depth + 1, out);
    }
}

char *sw_control_render_status(const json_t *status)
{
    char *text = NULL;
    size_t size;
    json_t *copy = json_copy((json_t *)(uintptr_t)status); /* iterating needs it mutable */
    FILE *out = copy != NULL ? open_memstream(&text, &size) : NULL;

    if (out != NULL) {
        print_object(copy, 0, out);
        fclose(out);
    }
    json_decref(copy);
    return text;
}

static int by_name(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

char *sw_control_render_metrics(const json_t *metrics)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)metrics);
    size_t n = 0;
    char *text = NULL;
    size_t size;
    const char *key;
    json_t *value;
    const char **names = calloc(json_object_size(copy) + 1, sizeof *names);
    FILE *out = names != NULL && copy != NULL ? open_memstream(&text, &size) : NULL;

    if (out != NULL) {
        json_object_foreach(copy, key, value) names[n++] = key;
        qsort(names, n, sizeof *names, by_name);
        for (size_t i = 0; i < n; i++) {
            fprintf(out, "%s ", names[i]);
            print_scalar(json_object_get(copy, names[i]), out);
            fputc('\n', out);
        }
        fclose(out);
    }
    free(names);
    json_decref(copy);
    return text;
}
