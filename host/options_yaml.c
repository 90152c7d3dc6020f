/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The configuration file. YAML is only turned into text per option here; what the text means is the
 * option type's business, so a value means the same in every source. Two things are YAML's own: its
 * many spellings of true and false, and null, which leaves an option at what it was (and is an
 * error for a switch). docs/configuration.md, "The file".
 */
#include <slipway/error.h>
#include <string.h>

#include "host/options_internal.h"

static void set_scalar(struct sw_option_load *load, const struct sw_option *option,
                       const struct sw_yaml *node, const struct sw_option_site *site, void *base)
{
    const char *text = node->text;
    bool on;

    if (sw_yaml_is_null(node)) {
        if (option->type == &sw_type_bool)
            sw_option_report(load, SW_FINDING_ERROR, site, option->name,
                             "has no value; expected true or false");
        return;
    }
    if (option->type->is_switch && sw_yaml_bool(text, &on)) text = on ? "true" : "false";
    sw_option_set_text(load, option, text, site, base);
}

static void set_node(struct sw_option_load *load, const struct sw_option *option,
                     const struct sw_yaml *node, const struct sw_option_site *site, void *base)
{
    if (node->kind == SW_YAML_SCALAR) {
        set_scalar(load, option, node, site, base);
        return;
    }
    if (option->type->parse_node == NULL) {
        struct sw_why room;
        sw_option_report(load, SW_FINDING_ERROR, site, option->name, "is %s; expected %s",
                         sw_yaml_kind_name(node), sw_option_expected(option, &room));
        return;
    }
    option->type->parse_node(load, option, node, site, (char *)base + option->offset);
}

void sw_option_set_map(struct sw_option_load *load, const struct sw_option_set *set,
                       const struct sw_yaml *map, const char *prefix, void *base,
                       struct sw_option_site *sites)
{
    for (size_t i = 0; i < map->n; i++) {
        const char *name = map->keys[i]->text;
        const struct sw_option_site site = {
            .source = SW_FROM_FILE,
            .file = load->file,
            .line = map->keys[i]->line,
            .prefix = prefix,
        };

        const struct sw_option *option = sw_option_meant(load, set, &site, name);
        if (option == NULL || (option->flags & SW_OPTION_CLI_ONLY) != 0) continue;
        if (sites != NULL) sites[option - set->options] = site;
        set_node(load, option, map->items[i], &site, base);
    }
}

void sw_option_read_yaml(struct sw_option_load *load, const char *bytes, size_t len)
{
    struct sw_option_site site = {.source = SW_FROM_FILE, .file = load->file};
    struct sw_yaml_error error;
    struct sw_yaml_doc *doc;

    int rc = sw_yaml_parse(bytes, len, &doc, &error);
    if (rc < 0) {
        site.line = error.line;
        load->is_out_of_memory |= rc == SW_ENOMEM;
        sw_option_report(load, SW_FINDING_ERROR, &site, NULL, "%s", error.text);
        return;
    }
    const struct sw_yaml *root = sw_yaml_root(doc);
    if (root != NULL && root->kind == SW_YAML_MAP) {
        sw_option_set_map(load, load->set, root, NULL, load->config, load->sites);
    } else if (root != NULL) {
        site.line = root->line;
        sw_option_report(load, SW_FINDING_ERROR, &site, NULL,
                         "holds %s; expected lines of the form key: value",
                         sw_yaml_kind_name(root));
    }
    sw_yaml_free(doc);
}
