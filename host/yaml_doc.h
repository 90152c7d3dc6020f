/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_YAML_DOC_H
#define SW_HOST_YAML_DOC_H

#include <stdbool.h>
#include <stddef.h>

#define SW_YAML_NODES 8192 /**< most nodes of one document */
#define SW_YAML_DEPTH 32   /**< most lists and maps inside each other */

enum sw_yaml_kind { SW_YAML_SCALAR, SW_YAML_LIST, SW_YAML_MAP };

/** One node of a document. Aliases share the node they stand for, so a node may have many parents.
 */
struct sw_yaml {
    enum sw_yaml_kind kind;
    int line;               /**< where it starts, from 1 */
    bool plain;             /**< scalar without quotes or block style: may mean null */
    char *text;             /**< scalar: never NULL, no NUL byte inside */
    size_t n;               /**< list: items; map: pairs */
    struct sw_yaml **keys;  /**< map: scalars, all different */
    struct sw_yaml **items; /**< list items or map values */

    /* For the parser */
    size_t room;
    bool complete;
};

struct sw_yaml_error {
    int line; /**< 0: unknown */
    char text[240];
};

struct sw_yaml_doc;

/**
 * Parses one document. Returns 0, SW_EINVAL with *error said, or SW_ENOMEM. The text need not end
 * with NUL and is not kept.
 */
int sw_yaml_parse(const char *bytes, size_t len, struct sw_yaml_doc **doc,
                  struct sw_yaml_error *error);

/** The outermost node; NULL if the document is empty or null. */
const struct sw_yaml *sw_yaml_root(const struct sw_yaml_doc *doc);

void sw_yaml_free(struct sw_yaml_doc *doc);

/** True for an empty plain scalar, ~ and null. */
bool sw_yaml_is_null(const struct sw_yaml *node);

/** Reads a YAML 1.1 boolean: true/yes/y/on, false/no/n/off in any case. False if it is none. */
bool sw_yaml_bool(const char *text, bool *value);

/** "a list", "a map", "text": what kind of node this is, for messages. */
const char *sw_yaml_kind_name(const struct sw_yaml *node);

#endif
