/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * YAML text into a small tree whose every node knows its line, so that whoever finds something
 * wrong with a value can say where it stands. libyaml delivers events; this file keeps the open
 * lists and maps on an explicit stack and refuses what a configuration has no use for: several
 * documents, duplicate or structured keys, unknown tags, NUL bytes.
 *
 * A document cannot make us work more than its own size warrants: nodes and depth are bounded, and
 * an alias points to the node it names instead of copying it, so nothing grows by expansion. An
 * alias to a node that is still open would make a cycle and is refused.
 */
#include "host/yaml_doc.h"

#include <slipway/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

struct anchor {
    char *name;
    struct sw_yaml *node;
};

struct sw_yaml_doc {
    struct sw_yaml *root;
    struct sw_yaml **nodes; /* owns every node, whoever points at it */
    size_t n_nodes;
    size_t n_aliases; /* count like nodes against SW_YAML_NODES */
    struct anchor *anchors;
    size_t n_anchors;
};

/* A document being built. */
struct builder {
    struct sw_yaml_doc *doc;
    struct sw_yaml_error *error;
    struct sw_yaml *open[SW_YAML_DEPTH];
    struct sw_yaml *key[SW_YAML_DEPTH]; /* of open[i], if a map that waits for the value */
    size_t depth;
    size_t documents;
};

static int fail(struct builder *builder, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct builder *builder, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(builder->error->text, sizeof builder->error->text, format, args);
    va_end(args);
    builder->error->line = line;
    return SW_EINVAL;
}

/* Makes room for one more element; arrays grow by doubling. */
static int reserve(void *array, size_t n, size_t *room, size_t size)
{
    if (n < *room) return 0;

    size_t more = *room == 0 ? 8 : *room * 2;
    void *grown = realloc(*(void **)array, more * size);
    if (grown == NULL) return SW_ENOMEM;
    *(void **)array = grown;
    *room = more;
    return 0;
}

/* Every scalar, list, map and alias costs one of SW_YAML_NODES. */
static int spend(struct builder *builder, int line)
{
    if (builder->doc->n_nodes + builder->doc->n_aliases < SW_YAML_NODES) return 0;
    return fail(builder, line, "more than %d values; shorten the file", SW_YAML_NODES);
}

static int new_node(struct builder *builder, enum sw_yaml_kind kind, int line, struct sw_yaml **out)
{
    struct sw_yaml_doc *doc = builder->doc;
    int rc = spend(builder, line);
    if (rc < 0) return rc;

    struct sw_yaml *node = calloc(1, sizeof *node);
    if (node == NULL) return SW_ENOMEM;
    node->kind = kind;
    node->line = line;
    doc->nodes[doc->n_nodes++] = node;
    *out = node;
    return 0;
}

static int add_anchor(struct builder *builder, const yaml_char_t *name, struct sw_yaml *node)
{
    struct sw_yaml_doc *doc = builder->doc;
    if (name == NULL) return 0;

    char *copy = strdup((const char *)name);
    struct anchor *grown = realloc(doc->anchors, (doc->n_anchors + 1) * sizeof *grown);
    if (grown != NULL) doc->anchors = grown;
    if (copy == NULL || grown == NULL) {
        free(copy);
        return SW_ENOMEM;
    }
    doc->anchors[doc->n_anchors++] = (struct anchor){copy, node};
    return 0;
}

/* The node an alias stands for; NULL after fail(). */
static struct sw_yaml *find_anchor(struct builder *builder, const yaml_char_t *name, int line)
{
    struct sw_yaml_doc *doc = builder->doc;

    if (spend(builder, line) < 0) return NULL;
    doc->n_aliases++;
    for (size_t i = doc->n_anchors; i-- > 0;) { /* the latest of equal names counts */
        struct sw_yaml *node = doc->anchors[i].node;
        if (strcmp(doc->anchors[i].name, (const char *)name) != 0) continue;
        if (node->complete) return node;
        fail(builder, line, "alias *%.40s stands inside the value it names", (const char *)name);
        return NULL;
    }
    fail(builder, line, "alias *%.40s names nothing; define it with &%.40s before",
         (const char *)name, (const char *)name);
    return NULL;
}

static int add_key(struct builder *builder, struct sw_yaml *map, struct sw_yaml *key, int line)
{
    if (key->kind != SW_YAML_SCALAR)
        return fail(builder, line, "a key must be a name, not %s", sw_yaml_kind_name(key));
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->keys[i]->text, key->text) == 0)
            return fail(builder, line, "%.80s: given twice, first on line %d; keep one of them",
                        key->text, map->keys[i]->line);
    }
    builder->key[builder->depth - 1] = key;
    return 0;
}

/* Puts a complete scalar, a just opened container or an alias where it belongs. */
static int place(struct builder *builder, struct sw_yaml *node, int line)
{
    if (builder->depth == 0) {
        builder->doc->root = node;
        return 0;
    }
    struct sw_yaml *parent = builder->open[builder->depth - 1];
    struct sw_yaml **key = &builder->key[builder->depth - 1];
    if (parent->kind == SW_YAML_MAP && *key == NULL) return add_key(builder, parent, node, line);

    size_t room = parent->room;
    if (reserve(&parent->items, parent->n, &room, sizeof *parent->items) < 0) return SW_ENOMEM;
    if (parent->kind == SW_YAML_MAP) {
        room = parent->room;
        if (reserve(&parent->keys, parent->n, &room, sizeof *parent->keys) < 0) return SW_ENOMEM;
        parent->keys[parent->n] = *key;
        *key = NULL;
    }
    parent->room = room;
    parent->items[parent->n++] = node;
    return 0;
}

static bool is_core_tag(const char *tag, const char *const *names)
{
    static const char core[] = "tag:yaml.org,2002:";
    if (strncmp(tag, core, sizeof core - 1) != 0) return false;
    for (; *names != NULL; names++) {
        if (strcmp(tag + sizeof core - 1, *names) == 0) return true;
    }
    return false;
}

static int check_tag(struct builder *builder, const yaml_char_t *tag, int line,
                     const char *const *known)
{
    if (tag == NULL || strcmp((const char *)tag, "!") == 0) return 0;
    if (is_core_tag((const char *)tag, known)) return 0;
    return fail(builder, line, "tag %.60s is not supported; remove it", (const char *)tag);
}

static int on_scalar(struct builder *builder, const yaml_event_t *event, int line)
{
    static const char *const text_tags[] = {"str", NULL};
    static const char *const tags[] = {"str", "int", "float", "bool", "null", NULL};
    const char *bytes = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    const yaml_char_t *tag = event->data.scalar.tag;
    struct sw_yaml *node;
    int rc = check_tag(builder, tag, line, tags);

    if (rc < 0) return rc;
    if (memchr(bytes, '\0', len) != NULL) return fail(builder, line, "text contains a NUL byte");
    rc = new_node(builder, SW_YAML_SCALAR, line, &node);
    if (rc < 0) return rc;
    node->text = strndup(bytes, len);
    if (node->text == NULL) return SW_ENOMEM;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                  (tag == NULL || !is_core_tag((const char *)tag, text_tags)) &&
                  (tag == NULL || strcmp((const char *)tag, "!") != 0);
    node->complete = true;
    rc = add_anchor(builder, event->data.scalar.anchor, node);
    return rc < 0 ? rc : place(builder, node, line);
}

static int on_open(struct builder *builder, enum sw_yaml_kind kind, const yaml_char_t *anchor,
                   const yaml_char_t *tag, int line)
{
    static const char *const tags[] = {"seq", "map", NULL};
    struct sw_yaml *node;
    int rc = check_tag(builder, tag, line, tags);

    if (rc < 0) return rc;
    if (builder->depth == SW_YAML_DEPTH)
        return fail(builder, line, "more than %d levels of lists and maps", SW_YAML_DEPTH);
    rc = new_node(builder, kind, line, &node);
    if (rc < 0) return rc;
    rc = add_anchor(builder, anchor, node);
    if (rc < 0) return rc;
    rc = place(builder, node, line);
    if (rc < 0) return rc;
    builder->open[builder->depth] = node;
    builder->key[builder->depth] = NULL;
    builder->depth++;
    return 0;
}

static int on_event(struct builder *builder, const yaml_event_t *event)
{
    int line = (int)event->start_mark.line + 1;
    struct sw_yaml *node;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (builder->documents++ > 0)
            return fail(builder, line, "a second document starts here; expected one per file");
        return 0;
    case YAML_SCALAR_EVENT:
        return on_scalar(builder, event, line);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(builder, SW_YAML_LIST, event->data.sequence_start.anchor,
                       event->data.sequence_start.tag, line);
    case YAML_MAPPING_START_EVENT:
        return on_open(builder, SW_YAML_MAP, event->data.mapping_start.anchor,
                       event->data.mapping_start.tag, line);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        builder->open[--builder->depth]->complete = true;
        return 0;
    case YAML_ALIAS_EVENT:
        node = find_anchor(builder, event->data.alias.anchor, line);
        return node == NULL ? SW_EINVAL : place(builder, node, line);
    default:
        return 0;
    }
}

/* What people have most often done when libyaml says this. */
static const char *usual_reason(const char *problem)
{
    static const struct {
        const char *problem, *reason;
    } known[] = {
        {"mapping values are not allowed",
         "quote a value that holds \": \", and indent all options "
         "alike"},
        {"could not find expected ':'", "write option: value, with a space behind the colon"},
        {"found character that cannot start any token", "quote a value that begins with @, ` or %"},
        {"found a tab character", "use spaces in front of a line, not tabs"},
        {"found unexpected end of stream", "close the quote"},
        {"did not find expected key", "indent all options alike, and close what was opened"},
        {"did not find expected alphabetic", "quote a value that begins with * or &"},
        {"invalid", "save the file as UTF-8"},
        {"incomplete UTF-8", "save the file as UTF-8"},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strncmp(problem, known[i].problem, strlen(known[i].problem)) == 0)
            return known[i].reason;
    }
    return "compare it with a file that --generate yaml wrote";
}

/* What libyaml found wrong. Errors of its reader have no line, only an offset. */
static int syntax_error(struct builder *builder, const yaml_parser_t *parser, const char *bytes,
                        size_t len)
{
    int line = (int)parser->problem_mark.line + 1;
    const char *problem = parser->problem != NULL ? parser->problem : "unreadable";

    if (parser->error == YAML_MEMORY_ERROR) return SW_ENOMEM;
    if (parser->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < len && i < parser->problem_offset; i++)
            line += bytes[i] == '\n';
    }
    if (parser->context != NULL)
        return fail(builder, line, "not valid YAML: %s %s that starts on line %zu; %s", problem,
                    parser->context, parser->context_mark.line + 1, usual_reason(problem));
    return fail(builder, line, "not valid YAML: %s; %s", problem, usual_reason(problem));
}

static int build(struct builder *builder, const char *bytes, size_t len)
{
    yaml_parser_t parser;
    bool done = false;
    int rc = 0;

    if (!yaml_parser_initialize(&parser)) return SW_ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, len);
    while (rc == 0 && !done) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            rc = syntax_error(builder, &parser, bytes, len);
            break;
        }
        done = event.type == YAML_STREAM_END_EVENT;
        rc = on_event(builder, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return rc;
}

int sw_yaml_parse(const char *bytes, size_t len, struct sw_yaml_doc **doc,
                  struct sw_yaml_error *error)
{
    *error = (struct sw_yaml_error){0};
    *doc = NULL;

    struct builder builder = {.doc = calloc(1, sizeof *builder.doc), .error = error};
    if (builder.doc == NULL) return SW_ENOMEM;
    builder.doc->nodes = calloc(SW_YAML_NODES, sizeof(struct sw_yaml *));
    int rc = builder.doc->nodes == NULL ? SW_ENOMEM : build(&builder, bytes, len);
    if (rc < 0) {
        sw_yaml_free(builder.doc);
        return rc;
    }
    *doc = builder.doc;
    return 0;
}

const struct sw_yaml *sw_yaml_root(const struct sw_yaml_doc *doc)
{
    if (doc->root == NULL || sw_yaml_is_null(doc->root)) return NULL;
    return doc->root;
}

void sw_yaml_free(struct sw_yaml_doc *doc)
{
    if (doc == NULL) return;
    for (size_t i = 0; i < doc->n_nodes; i++) {
        char *text = doc->nodes[i]->text;
        if (text != NULL) explicit_bzero(text, strlen(text)); /* it may be a password */
        free(text);
        free(doc->nodes[i]->keys);
        free(doc->nodes[i]->items);
        free(doc->nodes[i]);
    }
    for (size_t i = 0; i < doc->n_anchors; i++)
        free(doc->anchors[i].name);
    free(doc->anchors);
    free(doc->nodes);
    free(doc);
}

bool sw_yaml_is_null(const struct sw_yaml *node)
{
    if (node->kind != SW_YAML_SCALAR || !node->plain) return false;
    return node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0;
}

bool sw_yaml_bool(const char *text, bool *value)
{
    static const char *const words[][2] = {
        {"false", "true"}, {"no", "yes"}, {"n", "y"}, {"off", "on"}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        for (int v = 0; v < 2; v++) {
            if (strcasecmp(text, words[i][v]) == 0) {
                *value = v;
                return true;
            }
        }
    }
    return false;
}

const char *sw_yaml_kind_name(const struct sw_yaml *node)
{
    static const char *const names[] = {"a single value", "a list", "a map"};
    return names[node->kind];
}
