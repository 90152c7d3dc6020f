/* SPDX-License-Identifier: GPL-3.0-or-later */

/* The option tables themselves, and the texts made from them. */

#include "host/options_docs.h"

#include <ctype.h>

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
