/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The option table as a JSON schema (draft-07), for editors that check a configuration file while
 * it is written and for programs that show a form. A file written in YAML is judged by it as the
 * JSON value it stands for. The schema is no stricter than the readers, but it cannot say
 * everything: the rules between options are theirs.
 */
#include <jansson.h>
#include <string.h>

#include "host/options_docs.h"
#include "host/options_internal.h"

/* Spellings of durations and sizes: host/duration.c, host/bytesize.c. */
#define DURATION_PATTERN                                                                           \
    "^\\s*(0|([0-9]+(\\.[0-9]+)?\\s*"                                                              \
    "(ns|nsec|nanos|us|usec|\302\265s|\316\274s|ms|msec|millis|s|secs?|seconds?|m|mins?|minutes?|" \
    "h|hrs?|hours?|d|days?|w|wks?|weeks?|M|months?|y|yrs?|years?)\\s*)+)$"
#define SIZE_PATTERN "^\\s*[0-9]+(\\.[0-9]+)?\\s*([kKmMgGtTpP][iI]?)?[bB]?$"

/* How values of a type look in JSON. */
struct form {
    const struct sw_option_type *type;
    const char *types[2];
    const char *format;
    const char *pattern;
};

static const struct form forms[] = {
    {.type = &sw_type_bool, .types = {"boolean"}},
    {.type = &sw_type_u32, .types = {"integer"}},
    {.type = &sw_type_duration, .types = {"string"}, .pattern = DURATION_PATTERN},
    {.type = &sw_type_size, .types = {"integer", "string"}, .pattern = SIZE_PATTERN},
    {.type = &sw_type_ipv4, .types = {"string"}, .format = "ipv4"},
    {.type = &sw_type_ca, .types = {"string"}, .format = "textarea"},
    {.type = &sw_type_ip_map, .types = {"object", "string"}},
    {.type = NULL, .types = {"string"}}, /* everything else */
};

static const struct form *form_of(const struct sw_option *option)
{
    const struct form *form = forms;
    while (form->type != NULL && form->type != option->type)
        form++;
    return form;
}

/* Numbers and switches by themselves, everything else as text; null for what is unset. */
static json_t *default_value(const struct sw_option *option)
{
    uint64_t number;

    if (option->initial == NULL) return json_null();
    if (strcmp(option->initial, "true") == 0) return json_true();
    if (strcmp(option->initial, "false") == 0) return json_false();
    if (option->type == &sw_type_u32 && sw_integer_parse(option->initial, &number) == 0)
        return json_integer((json_int_t)number);
    return json_string(option->initial);
}

/* The values of an option that has only a few. NULL: it has more. */
static json_t *value_list(const struct sw_option *option)
{
    if (option->type == &sw_type_tristate)
        return json_pack("[bbsss]", true, false, "auto", "on", "off");
    if (option->words == NULL) return NULL;

    json_t *list = json_array();
    for (const struct sw_option_word *word = option->words; word->word != NULL; word++)
        json_array_append_new(list, json_string(word->word));
    return list;
}

static void add_types(json_t *property, const struct sw_option *option, const struct form *form)
{
    json_t *types = json_array();

    for (size_t i = 0; i < 2 && form->types[i] != NULL; i++)
        json_array_append_new(types, json_string(form->types[i]));
    if (option->type != &sw_type_bool) json_array_append_new(types, json_string("null"));
    json_object_set_new(property, "type", types);
}

static void add_limits(json_t *property, const struct sw_option *option)
{
    if (option->type == &sw_type_u32) {
        uint64_t max = option->max != 0 ? option->max : UINT32_MAX;
        json_object_set_new(property, "minimum", json_integer((json_int_t)option->min));
        json_object_set_new(property, "maximum", json_integer((json_int_t)max));
    } else if (option->type == &sw_type_text && option->max != 0) {
        json_object_set_new(property, "maxLength", json_integer((json_int_t)option->max));
    }
}

static json_t *property_of(const struct sw_option *option)
{
    const struct form *form = form_of(option);
    json_t *property = json_pack("{ss}", "description", option->help);
    json_t *list = value_list(option);

    json_object_set_new(property, "default", default_value(option));
    if (list != NULL) {
        json_array_append_new(list, json_null());
        json_object_set_new(property, "enum", list);
        return property;
    }
    add_types(property, option, form);
    add_limits(property, option);
    if (form->pattern != NULL) json_object_set_new(property, "pattern", json_string(form->pattern));
    if ((option->flags & SW_OPTION_SECRET) != 0)
        json_object_set_new(property, "format", json_string("password"));
    else if (form->format != NULL)
        json_object_set_new(property, "format", json_string(form->format));
    return property;
}

void sw_options_json_schema(const struct sw_option_set *set, FILE *out)
{
    json_t *properties = json_object();
    json_t *schema = json_pack("{sssssssO}", "$schema", "http://json-schema.org/draft-07/schema#",
                               "title", set->program, "type", "object", "properties", properties);

    for (size_t i = 0; i < set->n; i++) {
        const struct sw_option *option = &set->options[i];
        if ((option->flags & (SW_OPTION_CLI_ONLY | SW_OPTION_FILE_ONLY)) != 0) continue;
        json_object_set_new(properties, option->name, property_of(option));
    }
    json_dumpf(schema, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(schema);
    json_decref(properties);
}
