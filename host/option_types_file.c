/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Option values that stand for content which may be in a file of its own: certificates to trust
 * (path or PEM text) and the address map (path or YAML map). The configuration is read first, as
 * text; files are opened by sw_ca_cert_read() and sw_ip_map_read() once everything else is right.
 */
#include <arpa/inet.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#include "host/address.h"
#include "host/options_internal.h"
#include "host/pem.h"
#include "host/slurp.h"

#define FILE_MAX ((size_t)1 << 20)

/* --- CA certificates ----------------------------------------------------------------------- */

static void clear_ca(void *field)
{
    struct sw_ca_cert *ca = field;
    free(ca->path);
    free(ca->pem);
    *ca = (struct sw_ca_cert){0};
}

/* PEM text into its usual layout; *pem is a new string. */
static int normalise(const char *text, char **pem, struct sw_why *why)
{
    const char *reason;

    *pem = sw_pem_normalise(text, &reason);
    if (*pem != NULL) return 0;
    if (reason == NULL) return SW_ENOMEM;
    sw_why(why, "%s; expected certificates in PEM form, or the path of a file with them", reason);
    return SW_EINVAL;
}

static int parse_ca(const struct sw_option *option, const char *text, void *field,
                    struct sw_why *why)
{
    struct sw_ca_cert ca = {0};
    int rc = 0;

    if (text[0] == '\0') {
        sw_why(why, "is empty; expected %s", option->type->expected);
        return SW_EINVAL;
    }
    if (sw_pem_is_text(text)) {
        rc = normalise(text, &ca.pem, why);
    } else {
        ca.path = strdup(text);
        if (ca.path == NULL) rc = SW_ENOMEM;
    }
    if (rc < 0) return rc;
    clear_ca(field);
    *(struct sw_ca_cert *)field = ca;
    return 0;
}

static void print_ca(const struct sw_option *option, const void *field, FILE *out)
{
    const struct sw_ca_cert *ca = field;

    if (ca->path != NULL)
        fputs(ca->path, out);
    else if (ca->pem != NULL)
        fputs(ca->pem, out);
}

static bool is_same_text(const char *one, const char *other)
{
    if (one == NULL || other == NULL) return one == other;
    return strcmp(one, other) == 0;
}

/* A file may have been written anew since. */
static bool same_ca(const void *field, const void *other_field)
{
    const struct sw_ca_cert *one = field, *other = other_field;
    return is_same_text(one->path, other->path) && is_same_text(one->pem, other->pem);
}

const struct sw_option_type sw_type_ca = {
    .noun = "a certificate",
    .expected = "the path of a PEM file, or the PEM text itself",
    .meta = "FILE|PEM",
    .size = sizeof(struct sw_ca_cert),
    .parse = parse_ca,
    .print = print_ca,
    .equal = same_ca,
    .clear = clear_ca,
};

int sw_ca_cert_read(struct sw_ca_cert *ca, struct sw_why *why)
{
    char reason[160];
    char *bytes;
    size_t len;

    if (ca->path == NULL || ca->pem != NULL) return 0;
    int rc = sw_slurp(ca->path, FILE_MAX, &bytes, &len, reason, sizeof reason);
    if (rc < 0) {
        sw_why(why, "%s", reason);
        return rc;
    }
    if (strlen(bytes) != len) {
        sw_why(why, "is not text; expected certificates in PEM form");
        rc = SW_EINVAL;
    } else {
        rc = normalise(bytes, &ca->pem, why);
    }
    free(bytes);
    return rc;
}

/* --- ip_map -------------------------------------------------------------------------------- */

static void clear_ip_map(void *field)
{
    struct sw_ip_map *map = field;
    free(map->path);
    free(map->entries);
    *map = (struct sw_ip_map){0};
}

static bool parse_address(const char *text, struct sw_address *address)
{
    *address = (struct sw_address){0};
    if (inet_pton(AF_INET, text, address->ip) == 1)
        address->family = 4;
    else if (inet_pton(AF_INET6, text, address->ip) == 1)
        address->family = 6;
    return address->family != 0;
}

static int parse_ip_map(const struct sw_option *option, const char *text, void *field,
                        struct sw_why *why)
{
    struct sw_ip_map *map = field;
    char *copy = strdup(text);

    if (copy == NULL) return SW_ENOMEM;
    clear_ip_map(map);
    if (text[0] == '\0')
        free(copy);
    else
        map->path = copy;
    return 0;
}

/* Reads one pair of the map; *why says what is wrong with it. */
static int read_pair(const struct sw_yaml *key, const struct sw_yaml *value,
                     struct sw_ip_map_entry *entry, struct sw_why *why)
{
    if (!parse_address(key->text, &entry->incoming)) {
        sw_why(why, "\"%.60s\" is not an IP address; expected the address that clients connect to",
               key->text);
        return SW_EINVAL;
    }
    if (value->kind != SW_YAML_SCALAR || sw_ipv4_net_parse(value->text, &entry->net) < 0) {
        sw_why(why, "%.60s: \"%.60s\" is not an IPv4 network; expected e.g. 10.125.128.0/28",
               key->text, value->kind == SW_YAML_SCALAR ? value->text : sw_yaml_kind_name(value));
        return SW_EINVAL;
    }
    return 0;
}

/* Reads a whole YAML map; on failure *line is where. */
static int read_map(const struct sw_yaml *node, struct sw_ip_map *map, struct sw_why *why,
                    int *line)
{
    *line = node->line;
    if (node->kind != SW_YAML_MAP) {
        sw_why(why, "is %s; expected a map of incoming address to network",
               sw_yaml_kind_name(node));
        return SW_EINVAL;
    }
    struct sw_ip_map_entry *entries = calloc(node->n + 1, sizeof *entries);
    if (entries == NULL) return SW_ENOMEM;
    for (size_t i = 0; i < node->n; i++) {
        *line = node->keys[i]->line;
        if (read_pair(node->keys[i], node->items[i], &entries[i], why) < 0) {
            free(entries);
            return SW_EINVAL;
        }
    }
    free(map->entries);
    map->entries = entries;
    map->n = node->n;
    return 0;
}

static int parse_ip_map_node(struct sw_option_load *load, const struct sw_option *option,
                             const struct sw_yaml *node, const struct sw_option_site *site,
                             void *field)
{
    struct sw_ip_map map = {0};
    struct sw_option_site deeper = *site;
    struct sw_why why;
    int rc = read_map(node, &map, &why, &deeper.line);

    if (rc == SW_ENOMEM)
        load->is_out_of_memory = true;
    else if (rc < 0)
        sw_option_report(load, SW_FINDING_ERROR, &deeper, option->name, "%s", why.text);
    if (rc < 0) return rc;
    clear_ip_map(field);
    *(struct sw_ip_map *)field = map;
    return 0;
}

static void print_ip_map(const struct sw_option *option, const void *field, FILE *out)
{
    const struct sw_ip_map *map = field;

    if (map->path != NULL) {
        fputs(map->path, out);
        return;
    }
    for (size_t i = 0; i < map->n; i++) {
        const struct sw_ip_map_entry *entry = &map->entries[i];
        char text[INET6_ADDRSTRLEN];
        int family = entry->incoming.family == 4 ? AF_INET : AF_INET6;

        inet_ntop(family, entry->incoming.ip, text, sizeof text);
        fprintf(out, "%s\"%s\": ", i == 0 ? "{" : ", ", text);
        sw_ipv4_net_print(&entry->net, out);
    }
    if (map->n > 0) fputs("}", out);
}

static bool has_entry(const struct sw_ip_map *map, const struct sw_ip_map_entry *wanted)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct sw_ip_map_entry *entry = &map->entries[i];
        if (sw_address_same_host(&entry->incoming, &wanted->incoming) &&
            entry->net.address.s_addr == wanted->net.address.s_addr &&
            entry->net.prefix == wanted->net.prefix)
            return true;
    }
    return false;
}

/* Whatever the order, and wherever they stand: a file may have been written anew since. */
static bool same_ip_map(const void *field, const void *other_field)
{
    const struct sw_ip_map *one = field, *other = other_field;
    if (one->n != other->n) return false;
    for (size_t i = 0; i < one->n; i++)
        if (!has_entry(other, &one->entries[i])) return false;
    return true;
}

const struct sw_option_type sw_type_ip_map = {
    .noun = "an address map",
    .expected = "the path of a file, or in the configuration file a map of address to network",
    .meta = "FILE",
    .size = sizeof(struct sw_ip_map),
    .parse = parse_ip_map,
    .parse_node = parse_ip_map_node,
    .print = print_ip_map,
    .equal = same_ip_map,
    .clear = clear_ip_map,
};

int sw_ip_map_read(struct sw_ip_map *map, struct sw_why *why)
{
    struct sw_yaml_error error;
    struct sw_yaml_doc *doc;
    char reason[160];
    char *bytes;
    size_t len;
    int line;

    if (map->path == NULL) return 0;
    int rc = sw_slurp(map->path, FILE_MAX, &bytes, &len, reason, sizeof reason);
    if (rc < 0) {
        sw_why(why, "%s", reason);
        return rc;
    }
    rc = sw_yaml_parse(bytes, len, &doc, &error);
    free(bytes);
    if (rc < 0) {
        sw_why(why, "line %d: %.240s", error.line, error.text);
        return rc;
    }
    const struct sw_yaml *root = sw_yaml_root(doc);
    if (root != NULL) {
        struct sw_why deeper;
        rc = read_map(root, map, &deeper, &line);
        if (rc == SW_EINVAL) sw_why(why, "line %d: %.240s", line, deeper.text);
    }
    sw_yaml_free(doc);
    return rc;
}
