/* SPDX-License-Identifier: GPL-3.0-or-later */

/* YAML into a tree: lines, null, booleans, aliases, and the documents that are refused. */

#include "host/yaml_doc.h"

#include <setjmp.h>
#include <slipway/error.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sw_yaml_doc *doc;
static struct sw_yaml_error error;

static const struct sw_yaml *parse(const char *text)
{
    int rc = sw_yaml_parse(text, strlen(text), &doc, &error);
    if (rc != 0) fail_msg("line %d: %s", error.line, error.text);
    return sw_yaml_root(doc);
}

static void done(void)
{
    sw_yaml_free(doc);
    doc = NULL;
}

static void assert_refused(const char *text, int line, const char *says)
{
    assert_int_equal(sw_yaml_parse(text, strlen(text), &doc, &error), SW_EINVAL);
    assert_null(doc);
    if (strstr(error.text, says) == NULL) fail_msg("says \"%s\", not \"%s\"", error.text, says);
    assert_int_equal(error.line, line);
}

static void test_every_node_knows_its_line(void **state)
{
    (void)state;
    const struct sw_yaml *root = parse("---\n"
                                       "# comment\n"
                                       "a: 1\n"
                                       "list:\n"
                                       "  - x\n"
                                       "  - {k: v,\n"
                                       "     l: w}\n");
    assert_int_equal(root->kind, SW_YAML_MAP);
    assert_int_equal(root->n, 2);
    assert_string_equal(root->keys[0]->text, "a");
    assert_int_equal(root->keys[0]->line, 3);
    assert_string_equal(root->items[0]->text, "1");
    assert_int_equal(root->keys[1]->line, 4);

    const struct sw_yaml *list = root->items[1];
    assert_int_equal(list->kind, SW_YAML_LIST);
    assert_int_equal(list->n, 2);
    assert_int_equal(list->items[0]->line, 5);
    assert_int_equal(list->items[1]->kind, SW_YAML_MAP);
    assert_int_equal(list->items[1]->keys[1]->line, 7);
    assert_string_equal(list->items[1]->items[1]->text, "w");
    done();
}

static void test_empty_documents_have_no_root(void **state)
{
    static const char *const texts[] = {"",     "---\n",        "# only a comment\n", "~\n",
                                        "null", "\xef\xbb\xbf", "---\n...\n"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_null(parse(texts[i]));
        done();
    }
}

static void test_a_byte_order_mark_is_skipped(void **state)
{
    (void)state;
    const struct sw_yaml *root = parse("\xef\xbb\xbf"
                                       "mode: udp\n");
    assert_string_equal(root->keys[0]->text, "mode");
    done();
}

static void test_null_is_plain_empty_tilde_or_null(void **state)
{
    (void)state;
    const struct sw_yaml *root =
        parse("a:\nb: ~\nc: null\nd: ''\ne: \"null\"\nf: Null\ng: !!str null\nh: nil\ni: []\n");
    static const bool expected[] = {true, true, true, false, false, false, false, false, false};
    assert_int_equal(root->n, 9);
    for (size_t i = 0; i < root->n; i++)
        assert_int_equal(sw_yaml_is_null(root->items[i]), expected[i]);
    done();
}

static void test_block_scalars_keep_or_fold_their_lines(void **state)
{
    (void)state;
    const struct sw_yaml *root = parse("folded: >\n  one\n  two\nkept: |\n  one\n  two\n");
    assert_string_equal(root->items[0]->text, "one two\n");
    assert_string_equal(root->items[1]->text, "one\ntwo\n");
    assert_false(root->items[0]->plain);
    done();
}

static void test_an_alias_is_the_node_it_names(void **state)
{
    (void)state;
    const struct sw_yaml *root = parse("a: &x {k: v}\nb: *x\nc: &x other\nd: *x\n");
    assert_ptr_equal(root->items[0], root->items[1]);
    assert_string_equal(root->items[3]->text, "other");
    done();
}

static void test_aliases_do_not_multiply(void **state)
{
    (void)state;
    char text[2048] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 25; i++) {
        char line[80];
        int n = snprintf(line, sizeof line, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++)
            n += snprintf(line + n, sizeof line - (size_t)n, "%s*a%d", k ? ", " : "", i - 1);
        strcat(text, line);
        strcat(text, "]\n");
    }
    assert_int_equal(parse(text)->n, 25); /* 10^25 values, had they been copied */
    done();
}

static void test_refuses_aliases_that_make_no_sense(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: *nothing\n", 2, "*nothing names nothing");
    assert_refused("a: &x\n  - *x\n", 2, "inside the value it names");
}

static void test_refuses_duplicate_keys(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: 2\n\na: 3\n", 4, "a: given twice, first on line 1");
    assert_refused("l:\n - {x: 1, 'x': 2}\n", 2, "x: given twice");
}

static void test_refuses_several_documents(void **state)
{
    (void)state;
    assert_refused("a: 1\n---\nb: 2\n", 2, "second document");
}

static void test_refuses_structured_keys_tags_and_nul(void **state)
{
    (void)state;
    assert_refused("? [a, b]\n: 1\n", 1, "key must be a name");
    assert_refused("a: 1\nb: !ruby x\n", 2, "tag !ruby is not supported");
    assert_refused("a: !!set {x}\n", 1, "not supported");
    assert_refused("a: \"x\\0y\"\n", 1, "NUL");
}

static void test_says_where_the_syntax_is_wrong(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: [1,\nc: 2\n", 4, "a flow sequence that starts on line 2");
    assert_refused("a: 1\n\tb: 2\n", 2, "not valid YAML: found a tab");
    assert_refused("a: 1\n\tb: 2\n", 2, "; use spaces in front of a line, not tabs");
    assert_refused("a: 1\nb: \xff\xfe\n", 2, "; save the file as UTF-8");
    assert_refused("a: 'x\n", 2, "; close the quote");
    assert_refused("a: 1\n b: 2\n", 2, "; quote a value that holds \": \", and indent all");
    assert_refused("a: b: 2\n", 1, "; quote a value that holds \": \"");
    assert_refused("a: 1\nb:2\n", 3, "; write option: value, with a space behind the colon");
    assert_refused("a: @x\n", 1, "; quote a value that begins with @, ` or %");
    assert_refused("a: [1\nb: 2\n", 2, "not valid YAML: ");
}

static void test_bounds_depth_and_number(void **state)
{
    (void)state;
    char deep[SW_YAML_DEPTH + 2] = "";
    memset(deep, '[', SW_YAML_DEPTH + 1);
    assert_refused(deep, 1, "levels of lists and maps");

    char *many = calloc(1, 2 * SW_YAML_NODES + 8);
    strcpy(many, "[");
    for (int i = 0; i < SW_YAML_NODES; i++)
        memcpy(many + 1 + 2 * i, "a,", 2);
    strcat(many, "]");
    assert_refused(many, 1, "more than");
    free(many);
}

static void test_booleans_have_many_spellings(void **state)
{
    static const struct {
        const char *text;
        bool value;
    } good[] = {{"true", true}, {"True", true}, {"TRUE", true}, {"yes", true},
                {"Y", true},    {"on", true},   {"oN", true},   {"false", false},
                {"no", false},  {"N", false},   {"OFF", false}};
    static const char *const bad[] = {"", "1", "0", "t", "enable", "true ", "ye"};
    bool value;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        value = !good[i].value;
        assert_true(sw_yaml_bool(good[i].text, &value));
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(sw_yaml_bool(bad[i], &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_node_knows_its_line),
        cmocka_unit_test(test_empty_documents_have_no_root),
        cmocka_unit_test(test_a_byte_order_mark_is_skipped),
        cmocka_unit_test(test_null_is_plain_empty_tilde_or_null),
        cmocka_unit_test(test_block_scalars_keep_or_fold_their_lines),
        cmocka_unit_test(test_an_alias_is_the_node_it_names),
        cmocka_unit_test(test_aliases_do_not_multiply),
        cmocka_unit_test(test_refuses_aliases_that_make_no_sense),
        cmocka_unit_test(test_refuses_duplicate_keys),
        cmocka_unit_test(test_refuses_several_documents),
        cmocka_unit_test(test_refuses_structured_keys_tags_and_nul),
        cmocka_unit_test(test_says_where_the_syntax_is_wrong),
        cmocka_unit_test(test_bounds_depth_and_number),
        cmocka_unit_test(test_booleans_have_many_spellings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
