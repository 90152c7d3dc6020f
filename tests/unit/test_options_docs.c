/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The option tables themselves, and the texts made from them. */

#include "host/options_docs.h"

#include <ctype.h>
#include <jansson.h>
#include <regex.h>

#include "client/client_options.h"
#include "config_fixture.h"
#include "server/server_options.h"

static const struct sw_option_set *const sets[] = {&sw_server_options, &sw_client_options};
#define N_SETS (sizeof sets / sizeof sets[0])

static char *text_of(void (*print)(const struct sw_option_set *, FILE *),
                     const struct sw_option_set *set)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(set, out);
    fclose(out);
    return text;
}

static size_t occurrences(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

static void test_names_and_flags_are_unique_and_well_formed(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SETS; s++) {
        for (size_t i = 0; i < sets[s]->n; i++) {
            const struct sw_option *option = &sets[s]->options[i];
            for (const char *p = option->name; *p != '\0'; p++)
                assert_true(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_');
            assert_ptr_equal(sw_option_find(sets[s], option->name), option);
            assert_true(option->flag != 'h' && option->flag != 'V');
            for (size_t k = 0; k < i; k++)
                assert_true(option->flag == 0 || option->flag != sets[s]->options[k].flag);
        }
    }
}

static void test_fields_lie_in_the_struct_and_do_not_overlap(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SETS; s++) {
        char *used = calloc(1, sets[s]->config_size);
        for (size_t i = 0; i < sets[s]->n; i++) {
            const struct sw_option *option = &sets[s]->options[i];
            assert_true(option->offset + option->type->size <= sets[s]->config_size);
            for (size_t k = 0; k < option->type->size; k++) {
                if (used[option->offset + k]) fail_msg("%s shares its field", option->name);
                used[option->offset + k] = 1;
            }
        }
        free(used);
    }
}

static void test_groups_stand_together_and_sentences_are_sentences(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SETS; s++) {
        for (size_t i = 0; i < sets[s]->n; i++) {
            const struct sw_option *option = &sets[s]->options[i];
            size_t len = strlen(option->help);
            assert_true(len > 10 && option->help[len - 1] == '.');
            if (option->type == &sw_type_enum) assert_non_null(option->words);
            for (size_t k = 0; k < i; k++) {
                bool same = strcmp(option->group, sets[s]->options[k].group) == 0;
                bool last = strcmp(option->group, sets[s]->options[i - 1].group) == 0;
                if (same && !last) fail_msg("group %s is torn apart", option->group);
            }
        }
    }
}

/* The value of text as it is printed. */
static void reprint(const struct sw_option *option, const char *text, char out[128])
{
    struct sw_why why;
    void *field = calloc(1, option->type->size);
    assert_int_equal(option->type->parse(option, text, field, &why), 0);
    memset(out, 0, 128);
    FILE *stream = fmemopen(out, 128, "w");
    option->type->print(option, field, stream);
    fclose(stream);
    if (option->type->clear != NULL) option->type->clear(field);
    free(field);
}

static void test_printed_defaults_read_back_as_themselves(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SETS; s++) {
        for (size_t i = 0; i < sets[s]->n; i++) {
            const struct sw_option *option = &sets[s]->options[i];
            char once[128];
            char twice[128];
            if (option->initial == NULL) continue;
            reprint(option, option->initial, once);
            reprint(option, once, twice);
            assert_string_equal(once, twice);
            if (option->type != &sw_type_duration) assert_string_equal(once, option->initial);
        }
    }
}

static void test_pages_have_every_option_once(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SETS; s++) {
        char *markdown = text_of(sw_options_markdown, sets[s]);
        char *man = text_of(sw_options_man, sets[s]);
        size_t n_file_only = 0;
        for (size_t i = 0; i < sets[s]->n; i++) {
            const struct sw_option *option = &sets[s]->options[i];
            char text[96];
            snprintf(text, sizeof text, "**`%s`**: ", option->name);
            assert_int_equal(occurrences(markdown, text), 1);
            n_file_only += (option->flags & SW_OPTION_FILE_ONLY) != 0;
        }
        assert_int_equal(occurrences(man, ".TP\n"), sets[s]->n);
        assert_int_equal(occurrences(man, "\\fB"),
                         occurrences(man, "\\fR") - occurrences(man, "\\fI"));
        assert_int_equal(occurrences(markdown, "only in the file"), n_file_only);
        free(markdown);
        free(man);
    }
}

static void test_manual_lines_cannot_be_taken_for_macros(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SETS; s++) {
        char *man = text_of(sw_options_man, sets[s]);
        for (char *line = strtok(man, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            bool is_macro = strcmp(line, ".TP") == 0 || strncmp(line, ".SS ", 4) == 0;
            assert_true(is_macro || (line[0] != '.' && line[0] != '\''));
        }
        free(man);
    }
}

static void test_the_generated_file_is_complete(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SETS; s++) {
        char *yaml = text_of(sw_options_yaml, sets[s]);
        for (size_t i = 0; i < sets[s]->n; i++) {
            const struct sw_option *option = &sets[s]->options[i];
            char key[64];
            bool is_in = (option->flags & (SW_OPTION_CLI_ONLY | SW_OPTION_FILE_ONLY)) == 0;
            snprintf(key, sizeof key, "\n%s: ", option->name);
            assert_int_equal(occurrences(yaml, key), is_in);
        }
        free(yaml);
    }
}

static const json_t *property(const json_t *schema, const char *name)
{
    return json_object_get(json_object_get(schema, "properties"), name);
}

static const char *property_text(const json_t *schema, const char *name, const char *key)
{
    return json_string_value(json_object_get(property(schema, name), key));
}

static json_t *schema_of(const struct sw_option_set *set)
{
    json_error_t error;
    char *text = text_of(sw_options_json_schema, set);
    json_t *schema = json_loads(text, 0, &error);
    if (schema == NULL) fail_msg("line %d: %s", error.line, error.text);
    free(text);
    return schema;
}

static void test_the_schema_has_every_option_of_the_file(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SETS; s++) {
        json_t *schema = schema_of(sets[s]);
        assert_non_null(strstr(json_string_value(json_object_get(schema, "$schema")), "draft-07"));
        for (size_t i = 0; i < sets[s]->n; i++) {
            const struct sw_option *option = &sets[s]->options[i];
            bool is_in = (option->flags & (SW_OPTION_CLI_ONLY | SW_OPTION_FILE_ONLY)) == 0;
            if ((property(schema, option->name) != NULL) != is_in) fail_msg("%s", option->name);
            if (!is_in) continue;
            assert_string_equal(property_text(schema, option->name, "description"), option->help);
            const json_t *values = json_object_get(property(schema, option->name), "enum");
            const json_t *types = json_object_get(property(schema, option->name), "type");
            assert_true((values != NULL) != (types != NULL));
        }
        json_decref(schema);
    }
}

static void test_the_schema_knows_types_limits_and_secrets(void **state)
{
    (void)state;
    json_t *schema = schema_of(&sw_client_options);
    const json_t *mtu = property(schema, "outside_mtu");
    assert_int_equal(json_integer_value(json_object_get(mtu, "default")), 1500);
    assert_int_equal(json_integer_value(json_object_get(mtu, "maximum")), 1500);
    assert_string_equal(property_text(schema, "password", "format"), "password");
    assert_string_equal(property_text(schema, "token", "format"), "password");
    assert_string_equal(property_text(schema, "ca_cert", "format"), "textarea");
    assert_string_equal(property_text(schema, "tun_local_ip", "format"), "ipv4");
    assert_string_equal(property_text(schema, "cipher", "default"), "aes256");
    const json_t *ciphers = json_object_get(property(schema, "cipher"), "enum");
    assert_string_equal(json_string_value(json_array_get(ciphers, 1)), "chacha20");
    assert_true(json_is_true(json_object_get(property(schema, "keepalive_continuous"), "default")));
    json_decref(schema);
}

static void assert_pattern(const char *pattern, const char *text, bool expected)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool matches = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    if (matches != expected) fail_msg("%s is %s", text, matches ? "matched" : "not matched");
}

static void test_patterns_of_the_schema_agree_with_the_readers(void **state)
{
    static const char *const durations[] = {"0", "10s",  "1h 30m", "1.5s",  "1 day 2h",     "5",
                                            "s", "-1s",  "3M",     "2 wks", "100\302\265s", "1fort",
                                            "",  "1 0s", "2mins"};
    static const char *const sizes[] = {"0",  "15MiB", "1.5 MiB", "8k", "3 tb", "2EiB",  "MiB",
                                        "-1", "1 PiB", "10B",     "",   "1.MB", "4 KIB", "7 i"};
    struct sw_why why;
    sw_time time;
    uint64_t bytes;
    (void)state;
    json_t *schema = schema_of(&sw_client_options);
    const struct sw_option *duration =
        sw_option_find(&sw_client_options, "preferred_connection_wait_interval");
    struct sw_option size = *sw_option_find(&sw_client_options, "sndbuf");
    size.min = size.max = 0;
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++)
        assert_pattern(property_text(schema, duration->name, "pattern"), durations[i],
                       duration->type->parse(duration, durations[i], &time, &why) == 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_pattern(property_text(schema, "sndbuf", "pattern"), sizes[i],
                       size.type->parse(&size, sizes[i], &bytes, &why) == 0);
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_flags_are_unique_and_well_formed),
        cmocka_unit_test(test_fields_lie_in_the_struct_and_do_not_overlap),
        cmocka_unit_test(test_groups_stand_together_and_sentences_are_sentences),
        cmocka_unit_test(test_printed_defaults_read_back_as_themselves),
        cmocka_unit_test(test_pages_have_every_option_once),
        cmocka_unit_test(test_manual_lines_cannot_be_taken_for_macros),
        cmocka_unit_test(test_the_generated_file_is_complete),
        cmocka_unit_test(test_the_schema_has_every_option_of_the_file),
        cmocka_unit_test(test_the_schema_knows_types_limits_and_secrets),
        cmocka_unit_test(test_patterns_of_the_schema_agree_with_the_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
