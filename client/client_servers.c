/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The servers a client may connect to. Each entry of "servers" is read with an option table of its
 * own, so that keys, values and misspellings in it are treated as at the top level. What an entry
 * leaves out: credentials come from the top level as a whole or not at all (an entry with a user of
 * its own does not get the top level's token), the CA from the top level, everything else from its
 * default. docs/configuration.md, "Several servers".
 */
#include "client/client_servers.h"

#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#include "host/options_internal.h"

#define AT(field) offsetof(struct sw_client_server, field)

const struct sw_option_word sw_client_mode_words[] = {
    {"tcp", SW_STREAM, NULL},
    {"udp", SW_DATAGRAM, NULL},
    {0},
};

const struct sw_option_word sw_client_cipher_words[] = {
    {"aes256", SW_CLIENT_AES256, NULL},
    {"chacha20", SW_CLIENT_CHACHA20, NULL},
    {0},
};

static const struct sw_option entry_options[] = {
    {.name = "server", .type = &sw_type_server, .offset = AT(server)},
    {
        .name = "mode",
        .type = &sw_type_enum,
        .words = sw_client_mode_words,
        .offset = AT(mode),
        .initial = "tcp",
    },
    {
        .name = "server_dn",
        .flags = SW_OPTION_OPTIONAL,
        .type = &sw_type_identity,
        .offset = AT(server_dn),
    },
    {
        .name = "cipher",
        .type = &sw_type_enum,
        .words = sw_client_cipher_words,
        .offset = AT(cipher),
        .initial = "aes256",
    },
    {
        .name = "outside_mtu",
        .type = &sw_type_u32,
        .offset = AT(outside_mtu),
        .initial = "1500",
        .min = SW_CLIENT_MTU_MIN,
        .max = SW_CLIENT_MTU_MAX,
    },
    {
        .name = "token",
        .flags = SW_OPTION_SECRET,
        .type = &sw_type_text,
        .offset = AT(token),
        .max = SW_CLIENT_TOKEN_MAX,
    },
    {
        .name = "user",
        .type = &sw_type_text,
        .offset = AT(user),
        .max = SW_CLIENT_LOGIN_MAX,
    },
    {
        .name = "password",
        .flags = SW_OPTION_SECRET,
        .type = &sw_type_text,
        .offset = AT(password),
        .max = SW_CLIENT_LOGIN_MAX,
    },
    {.name = "ca_cert", .type = &sw_type_ca, .offset = AT(ca_cert)},
};

static const struct sw_option_set entry_set = {
    .options = entry_options,
    .n = sizeof entry_options / sizeof entry_options[0],
    .config_size = sizeof(struct sw_client_server),
};

static void clear_servers(void *field)
{
    struct sw_client_servers *servers = field;

    for (size_t i = 0; i < servers->n; i++)
        sw_options_free(&entry_set, &servers->entries[i]);
    free(servers->entries);
    *servers = (struct sw_client_servers){0};
}

static void read_entry(struct sw_option_load *load, const struct sw_yaml *node, size_t i,
                       const struct sw_option_site *site, struct sw_client_server *entry)
{
    char prefix[40];
    struct sw_option_site here = *site;

    snprintf(prefix, sizeof prefix, "servers[%zu]", i);
    here.line = node->line;
    sw_option_set_defaults(load, &entry_set, entry);
    if (node->kind != SW_YAML_MAP) {
        sw_option_report(load, SW_FINDING_ERROR, &here, prefix,
                         "is %s; expected a map with server, mode and so on",
                         sw_yaml_kind_name(node));
        return;
    }

    char dotted[sizeof prefix + 1];
    size_t n_errors = load->report->n_errors;
    snprintf(dotted, sizeof dotted, "%s.", prefix);
    sw_option_set_map(load, &entry_set, node, dotted, entry, NULL);
    if (entry->server.host == NULL && load->report->n_errors == n_errors)
        sw_option_report(load, SW_FINDING_ERROR, &here, prefix, "has no server; expected %s",
                         sw_type_server.expected);
}

static int parse_servers_node(struct sw_option_load *load, const struct sw_option *option,
                              const struct sw_yaml *node, const struct sw_option_site *site,
                              void *field)
{
    struct sw_client_servers *servers = field;
    size_t n_errors = load->report->n_errors;

    if (node->kind != SW_YAML_LIST) {
        sw_option_report(load, SW_FINDING_ERROR, site, option->name, "is %s; expected %s",
                         sw_yaml_kind_name(node), option->type->expected);
        return SW_EINVAL;
    }
    struct sw_client_server *entries = calloc(node->n + 1, sizeof *entries);
    if (entries == NULL) {
        load->is_out_of_memory = true;
        return SW_ENOMEM;
    }
    clear_servers(servers);
    servers->entries = entries;
    servers->n = node->n;
    for (size_t i = 0; i < node->n; i++)
        read_entry(load, node->items[i], i, site, &entries[i]);
    return load->report->n_errors == n_errors ? 0 : SW_EINVAL;
}

/* Text is no list, except that an empty one is an empty list. */
static int parse_servers(const struct sw_option *option, const char *text, void *field,
                         struct sw_why *why)
{
    sw_why(why, "is not a list; expected %s", option->type->expected);
    return SW_EINVAL;
}

static void print_servers(const struct sw_option *option, const void *field, FILE *out)
{
    const struct sw_client_servers *servers = field;

    for (size_t i = 0; i < servers->n; i++) {
        fputs(i == 0 ? "" : ", ", out);
        entry_options[0].type->print(&entry_options[0], &servers->entries[i].server, out);
        fputs(servers->entries[i].mode == SW_STREAM ? " tcp" : " udp", out);
    }
}

static bool is_same_text(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static bool is_same_entry(const struct sw_client_server *one, const struct sw_client_server *other)
{
    return is_same_text(one->server.host, other->server.host) &&
           one->server.port == other->server.port && one->mode == other->mode &&
           is_same_text(one->server_dn, other->server_dn) && one->cipher == other->cipher &&
           one->outside_mtu == other->outside_mtu && is_same_text(one->token, other->token) &&
           is_same_text(one->user, other->user) && is_same_text(one->password, other->password) &&
           sw_type_ca.equal(&one->ca_cert, &other->ca_cert);
}

/* Lists made of the options of the top level are theirs to compare. */
static bool same_servers(const void *field, const void *other_field)
{
    const struct sw_client_servers *one = field, *other = other_field;

    if (one->from_top_level && other->from_top_level) return true;
    if (one->n != other->n) return false;
    for (size_t i = 0; i < one->n; i++)
        if (!is_same_entry(&one->entries[i], &other->entries[i])) return false;
    return true;
}

const struct sw_option_type sw_type_client_servers = {
    .noun = "a list of servers",
    .expected = "a list of maps, each with server: HOST:PORT",
    .meta = "LIST",
    .size = sizeof(struct sw_client_servers),
    .parse = parse_servers,
    .parse_node = parse_servers_node,
    .print = print_servers,
    .equal = same_servers,
    .clear = clear_servers,
};

/* --- inheritance --------------------------------------------------------------------------- */

static bool copy_text(struct sw_option_load *load, const char *from, char **to)
{
    *to = NULL;
    if (from == NULL) return true;
    *to = strdup(from);
    if (*to == NULL) load->is_out_of_memory = true;
    return *to != NULL;
}

/* Credentials and CA that an entry left out. */
static void inherit(struct sw_option_load *load, const struct sw_client_config *config,
                    struct sw_client_server *entry)
{
    if (entry->user == NULL && entry->password == NULL && entry->token == NULL) {
        copy_text(load, config->user, &entry->user);
        copy_text(load, config->password, &entry->password);
        copy_text(load, config->token, &entry->token);
    }
    if (entry->ca_cert.path == NULL && entry->ca_cert.pem == NULL) {
        copy_text(load, config->ca_cert.path, &entry->ca_cert.path);
        copy_text(load, config->ca_cert.pem, &entry->ca_cert.pem);
    }
    if (entry->server_dn != NULL && entry->server_dn[0] == '\0') {
        free(entry->server_dn);
        entry->server_dn = NULL;
    }
}

/* The one entry that the top level describes when there is no list. */
static void from_top_level(struct sw_option_load *load, struct sw_client_config *config)
{
    if (config->server.host == NULL) {
        sw_option_error(load, "server", "is missing; expected %s, or a list in servers",
                        sw_type_server.expected);
        return;
    }
    struct sw_client_server *entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        load->is_out_of_memory = true;
        return;
    }
    clear_servers(&config->servers);
    config->servers = (struct sw_client_servers){entry, 1, true};
    copy_text(load, config->server.host, &entry->server.host);
    copy_text(load, config->server_dn, &entry->server_dn);
    entry->server.port = config->server.port;
    entry->mode = config->mode;
    entry->cipher = config->cipher;
    entry->outside_mtu = config->outside_mtu;
}

/* What an entry lacks to log in; NULL if nothing. A token wins over user and password. */
static const char *missing_credential(struct sw_client_server *entry)
{
    if (entry->token != NULL) {
        sw_type_text.clear(&entry->user);
        sw_type_text.clear(&entry->password);
        return NULL;
    }
    if (entry->user == NULL && entry->password == NULL) return "user and password (or token)";
    if (entry->user == NULL) return "user";
    return entry->password == NULL ? "password" : NULL;
}

void sw_client_servers_complete(struct sw_option_load *load, struct sw_client_config *config)
{
    struct sw_client_servers *servers = &config->servers;
    const char *anchor = servers->n > 0 ? "servers" : "server";
    const char *missing = NULL;
    size_t kept = 0;

    if (servers->n > 0 && config->server.host != NULL)
        sw_option_warn(load, "server", "ignored, because servers is given");
    if (servers->n == 0) from_top_level(load, config);
    for (size_t i = 0; i < servers->n; i++) {
        struct sw_client_server entry = servers->entries[i];

        inherit(load, config, &entry);
        const char *lacks = missing_credential(&entry);
        if (lacks == NULL) {
            servers->entries[kept++] = entry;
            continue;
        }
        missing = lacks;
        if (servers->n > 1)
            sw_option_warn(load, anchor, "entry %zu (%s) left out: it has no %s", i,
                           entry.server.host, lacks);
        sw_options_free(&entry_set, &entry);
    }
    servers->n = kept;
    if (kept == 0 && missing != NULL)
        sw_option_error(load, anchor, "no %s given; set both user and password, or token", missing);
}

static bool is_inherited(const struct sw_client_config *config, const struct sw_ca_cert *ca)
{
    return config->ca_cert.path != NULL && strcmp(ca->path, config->ca_cert.path) == 0;
}

void sw_client_servers_read(struct sw_option_load *load, struct sw_client_config *config)
{
    struct sw_why why;

    for (size_t i = 0; i < config->servers.n; i++) {
        struct sw_ca_cert *ca = &config->servers.entries[i].ca_cert;
        int rc = sw_ca_cert_read(ca, &why);

        if (rc == SW_ENOMEM)
            load->is_out_of_memory = true;
        else if (rc < 0)
            sw_option_error(load, is_inherited(config, ca) ? "ca_cert" : "servers", "%s: %s",
                            ca->path, why.text);
        if (rc < 0 && is_inherited(config, ca)) return; /* the same for every other entry */
        if (rc == 0 && is_inherited(config, ca) && config->ca_cert.pem == NULL)
            copy_text(load, ca->pem, &config->ca_cert.pem); /* what a reload compares with */
    }
}
