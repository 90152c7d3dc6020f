/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Every option of both programs by itself (option_rows.h): default, file, environment, command
 * line, what is refused in each of them, and its line in docs/compatibility.md. */

#include <ctype.h>
#include <slipway/error.h>

#include "config_fixture.h"
#include "option_rows.h"

static const struct program {
    const struct sw_option_set *set;
    const struct option_row *rows;
    size_t n;
    const char *heading; /* in docs/compatibility.md */
} programs[] = {
    {&sw_server_options, server_rows, sizeof server_rows / sizeof server_rows[0],
     "## 1. Server options"},
    {&sw_client_options, client_rows, sizeof client_rows / sizeof client_rows[0],
     "## 2. Client options"},
};
#define N_PROGRAMS (sizeof programs / sizeof programs[0])

static char config[4096]; /* of either program */
static struct sw_config_report report;

/* The set with its readers only: rules between options and files are tested elsewhere. */
static struct sw_option_set readers(const struct program *program)
{
    struct sw_option_set set = *program->set;
    assert_true(set.config_size <= sizeof config);
    set.check = NULL;
    set.files = NULL;
    return set;
}

/* Loads the file's text with one argument or two and one variable; NULL for none. */
static int load(const struct program *program, const char *yaml, const char *argument,
                const char *value, const char *variable)
{
    const struct sw_option_set set = readers(program);
    char *argv[] = {(char[]){"program"}, (char[]){"--config-file=config.yaml"}, NULL, NULL};
    char *environment[] = {NULL, NULL};
    int argc = 2;

    if (argument != NULL) argv[argc++] = strdup(argument);
    if (argument != NULL && value != NULL) argv[argc++] = strdup(value);
    if (variable != NULL) environment[0] = strdup(variable);
    fixture_write("config.yaml", 0600, yaml);
    int rc = sw_options_load(&set, argc, argv, environment, config, &report);
    for (int i = 2; i < argc; i++)
        free(argv[i]);
    free(environment[0]);
    return rc;
}

static void let_go(const struct program *program)
{
    sw_options_free(program->set, config);
    sw_config_report_free(&report);
}

/* Frees what was loaded after it was looked at: the option's value has to be this. */
static void assert_value(const struct program *program, const struct option_row *row, int rc,
                         const char *expected, const char *how)
{
    const struct sw_option *option = sw_option_find(program->set, row->name);
    char printed[256] = "";

    if (rc != 0) print_report(&report);
    if (rc != 0) fail_msg("%s was refused %s", row->name, how);
    FILE *out = fmemopen(printed, sizeof printed, "w");
    option->type->print(option, config + option->offset, out);
    fclose(out);
    if (strcmp(printed, expected) != 0)
        fail_msg("%s %s: %s, not %s", row->name, how, printed, expected);
    let_go(program);
}

/* The one error names the option as it is called there. */
static void assert_refused(const struct program *program, const struct option_row *row, int rc,
                           const char *name, const char *value, int status)
{
    if (rc != SW_EINVAL) fail_msg("%s: %s was accepted", name, value);
    assert_an_error(&report, name);
    assert_int_equal(report.n_errors, 1);
    assert_int_equal(report.exit_status, status);
    if (row->type != &sw_type_path) assert_non_null(strstr(report.errors[0], "expected"));
    let_go(program);
}

struct names {
    char flag[64];
    char variable[96];
};

static void names_of(const struct program *program, const struct option_row *row,
                     struct names *names)
{
    snprintf(names->flag, sizeof names->flag, "--%s", row->name);
    for (char *p = names->flag + 2; *p != '\0'; p++)
        if (*p == '_') *p = '-';
    int n = snprintf(names->variable, sizeof names->variable, "%s", program->set->env_prefix);
    for (const char *p = row->name; *p != '\0'; p++)
        names->variable[n++] = (char)toupper((unsigned char)*p);
    names->variable[n] = '\0';
}

static void for_every_row(void (*test)(const struct program *, const struct option_row *,
                                       const struct names *))
{
    struct names names;
    for (size_t p = 0; p < N_PROGRAMS; p++) {
        for (size_t i = 0; i < programs[p].n; i++) {
            names_of(&programs[p], &programs[p].rows[i], &names);
            test(&programs[p], &programs[p].rows[i], &names);
        }
    }
}

/* --- the tests ----------------------------------------------------------------------------- */

static void test_every_option_has_a_row(void **state)
{
    (void)state;
    for (size_t p = 0; p < N_PROGRAMS; p++) {
        for (size_t i = 0; i < programs[p].set->n; i++) {
            const char *name = programs[p].set->options[i].name;
            size_t found = 0;
            for (size_t k = 0; k < programs[p].n; k++)
                found += strcmp(programs[p].rows[k].name, name) == 0;
            if (found != 1)
                fail_msg("%s of %s: %zu rows in tests/unit/option_rows.h, expected one", name,
                         programs[p].set->program, found);
        }
        assert_int_equal(programs[p].n, programs[p].set->n);
    }
}

static void check_shape(const struct program *program, const struct option_row *row,
                        const struct names *names)
{
    const struct sw_option *option = sw_option_find(program->set, row->name);
    unsigned place = strcmp(row->places, "cli") == 0    ? SW_OPTION_CLI_ONLY
                     : strcmp(row->places, "file") == 0 ? SW_OPTION_FILE_ONLY
                                                        : 0;
    if (option == NULL) fail_msg("%s has no option %s", program->set->program, row->name);
    assert_int_equal(option->flag, row->flag);
    assert_ptr_equal(option->type, row->type);
    assert_int_equal(option->flags & (SW_OPTION_CLI_ONLY | SW_OPTION_FILE_ONLY), place);
    if (((option->flags & SW_OPTION_OPTIONAL) != 0) != row->is_optional)
        fail_msg("%s: is_optional", row->name);
}

static void test_types_flags_and_places(void **state)
{
    (void)state;
    for_every_row(check_shape);
}

static void check_default(const struct program *program, const struct option_row *row,
                          const struct names *names)
{
    char text[128];
    if (strcmp(row->places, "cli") == 0) return;
    assert_value(program, row, load(program, "\n", NULL, NULL, NULL), row->initial, "by default");
    if (row->type == &sw_type_bool) return;
    snprintf(text, sizeof text, "%s: ~\n", row->name);
    assert_value(program, row, load(program, text, NULL, NULL, NULL), row->initial, "as null");
    if (strcmp(row->places, "file") == 0) return;
    snprintf(text, sizeof text, "%s=", names->variable);
    assert_value(program, row, load(program, "\n", NULL, NULL, text), row->initial, "as empty");
}

static void test_defaults_count_unless_something_is_given(void **state)
{
    (void)state;
    for_every_row(check_default);
}

static void check_good(const struct program *program, const struct option_row *row,
                       const struct names *names)
{
    const char *printed = row->printed != NULL ? row->printed : row->good;
    char yaml[128], text[256];
    if (row->good == NULL) return;
    snprintf(yaml, sizeof yaml, "%s: \"%s\"\n", row->name, row->good);
    assert_value(program, row, load(program, yaml, NULL, NULL, NULL), printed, "in the file");
    snprintf(text, sizeof text, "%s=%s", names->variable, row->good);
    assert_value(program, row, load(program, "\n", NULL, NULL, text), printed, "as a variable");
    for (char *p = text + strlen(program->set->env_prefix); *p != '='; p++)
        *p = (char)tolower((unsigned char)*p);
    assert_value(program, row, load(program, "\n", NULL, NULL, text), printed, "in small letters");
    snprintf(text, sizeof text, "%s=%s", names->flag, row->good);
    assert_value(program, row, load(program, "\n", text, NULL, NULL), printed, "as --flag=value");
    if (!row->type->is_switch)
        assert_value(program, row, load(program, "\n", names->flag, row->good, NULL), printed,
                     "as --flag value");
    if (row->flag == 0) return;
    snprintf(text, sizeof text, "-%c=%s", row->flag, row->good);
    assert_value(program, row, load(program, "\n", text, NULL, NULL), printed, "as -f=value");
}

static void test_values_mean_the_same_in_every_source(void **state)
{
    (void)state;
    for_every_row(check_good);
}

/* What is given last, beside a default in each source before it. */
static void check_order(const struct program *program, const struct option_row *row,
                        const struct names *names)
{
    const char *printed = row->printed != NULL ? row->printed : row->good;
    const char *initial = row->initial;
    char good[128], yaml[128], flag[256], variable[256];
    if (row->good == NULL || initial[0] == '\0') return;
    snprintf(good, sizeof good, "%s: \"%s\"\n", row->name, row->good);
    snprintf(yaml, sizeof yaml, "%s: \"%s\"\n", row->name, initial);
    snprintf(variable, sizeof variable, "%s=%s", names->variable, row->good);
    snprintf(flag, sizeof flag, "%s=%s", names->flag, initial);
    assert_value(program, row, load(program, yaml, NULL, NULL, variable), printed,
                 "as a variable over the file");
    assert_value(program, row, load(program, good, flag, NULL, variable), initial,
                 "as a flag over a variable");
    assert_value(program, row, load(program, good, flag, NULL, NULL), initial,
                 "as a flag over the file");
}

static void test_the_command_line_wins_over_environment_over_file(void **state)
{
    (void)state;
    for_every_row(check_order);
}

static void check_bad(const struct program *program, const struct option_row *row,
                      const struct names *names)
{
    char values[512] = "", yaml[256], text[256];
    if (row->bad != NULL) snprintf(values, sizeof values, "%s", row->bad);
    for (char *rest = values, *bad; (bad = strsep(&rest, "|")) != NULL && bad[0] != '\0';) {
        bool is_yaml_switch = row->type->is_switch && strcmp(bad, "TRUE") == 0;
        snprintf(yaml, sizeof yaml, "%s: \"%s\"\n", row->name, bad);
        snprintf(text, sizeof text, "config.yaml:1: %s: ", row->name);
        if (is_yaml_switch)
            assert_value(program, row, load(program, yaml, NULL, NULL, NULL), "true",
                         "in capitals");
        else
            assert_refused(program, row, load(program, yaml, NULL, NULL, NULL), text, bad, 1);
        snprintf(text, sizeof text, "%s=%s", names->variable, bad);
        assert_refused(program, row, load(program, "\n", NULL, NULL, text), names->variable, bad,
                       1);
        snprintf(text, sizeof text, "%s=%s", names->flag, bad);
        assert_refused(program, row, load(program, "\n", text, NULL, NULL), names->flag, bad, 2);
    }
}

static void test_what_is_wrong_is_refused_in_every_source(void **state)
{
    (void)state;
    for_every_row(check_bad);
}

static void check_bare_flag(const struct program *program, const struct option_row *row,
                            const struct names *names)
{
    if (row->places[0] != '\0') return;
    int rc = load(program, "\n", names->flag, NULL, NULL);
    if (row->type->is_switch)
        assert_value(program, row, rc, "true", "as a bare flag");
    else if (row->is_optional)
        assert_value(program, row, rc, "", "as a bare flag");
    else
        assert_refused(program, row, rc, names->flag, "nothing", 2);
}

static void test_bare_flags_switch_on_or_unset(void **state)
{
    (void)state;
    for_every_row(check_bare_flag);
}

/* Given twice, as a list, as it is called in the file. */
static void check_misuse(const struct program *program, const struct option_row *row,
                         const struct names *names)
{
    const struct sw_option_set set = readers(program);
    char flag[256], text[256];
    char *argv[] = {(char[]){"program"}, (char[]){"--config-file=x"}, flag, flag, NULL};
    if (row->good == NULL) return;

    snprintf(flag, sizeof flag, "%s=%s", names->flag, row->good);
    assert_int_equal(sw_options_load(&set, 4, argv, NULL, config, &report), SW_EINVAL);
    assert_an_error(&report, ": given twice; keep one of them");
    assert_int_equal(report.exit_status, 2);
    let_go(program);

    snprintf(text, sizeof text, "%s: [x]\n", row->name);
    assert_int_equal(load(program, text, NULL, NULL, NULL), SW_EINVAL);
    snprintf(text, sizeof text, "config.yaml:1: %s: is a list; expected ", row->name);
    assert_an_error(&report, text);
    let_go(program);

    if (strchr(row->name, '_') == NULL) return;
    snprintf(text, sizeof text, "--%s=%s", row->name, row->good);
    assert_int_equal(load(program, "\n", text, NULL, NULL), SW_EINVAL);
    assert_an_error(&report, ": unknown option; did you mean ");
    assert_int_equal(report.exit_status, 2);
    let_go(program);
}

static void test_misuse_is_refused(void **state)
{
    (void)state;
    for_every_row(check_misuse);
}

/* A line of --help begins with the flags, and credentials are not in it. */
static void check_help(const struct program *program, const struct option_row *row,
                       const struct names *names)
{
    static const char *const hidden[] = {"user", "password", "token"};
    const struct sw_option_set set = readers(program);
    char *argv[] = {(char[]){"program"}, (char[]){"--help"}, NULL};
    char line[96];
    bool is_in = strcmp(row->places, "file") != 0;

    for (size_t i = 0; i < 3; i++)
        is_in &= strcmp(row->name, hidden[i]) != 0;
    if (row->flag != 0)
        snprintf(line, sizeof line, "\n  -%c, %s", row->flag, names->flag);
    else
        snprintf(line, sizeof line, "\n      %s", names->flag);
    assert_int_equal(sw_options_load(&set, 2, argv, NULL, config, &report), 1);
    const char *found = strstr(report.output, line);
    while (found != NULL && strchr(" \n", found[strlen(line)]) == NULL)
        found = strstr(found + 1, line);
    if ((found != NULL) != is_in) fail_msg("%s in --help of %s", names->flag, set.program);
    let_go(program);
}

static void test_help_shows_every_flag_but_those_of_credentials(void **state)
{
    (void)state;
    for_every_row(check_help);
}

/* --- docs/compatibility.md ----------------------------------------------------------------- */

/* The first two cells of "| `name` | state | remarks | shown by |", cut apart in place. False:
 * another line. tools/check-compatibility looks at the others. */
static bool cut_row(char *line, char *cells[2])
{
    if (strncmp(line, "| `", 3) != 0) return false;
    line++;
    for (size_t i = 0; i < 2; i++) {
        char *cell = strsep(&line, "|");
        if (line == NULL) fail_msg("a row without a state: %s", cell);
        cell += strspn(cell, " ");
        for (char *end = cell + strlen(cell); end > cell && end[-1] == ' ';)
            *--end = '\0';
        cells[i] = cell;
    }
    return true;
}

static void check_state(const struct sw_option *option, const char *state)
{
    static const char *const states[] = {"same", "better", "not yet", "new", "no effect"};
    bool is_known = false;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        is_known |= strcmp(states[i], state) == 0;
    if (!is_known) fail_msg("docs/compatibility.md: %s: no state \"%s\"", option->name, state);
    bool is_later = (option->flags & SW_OPTION_LATER) != 0;
    if (is_later && strcmp(state, "not yet") != 0 && strcmp(state, "no effect") != 0)
        fail_msg("docs/compatibility.md: %s has no effect, but is \"%s\"", option->name, state);
    for (size_t i = 0; option->words != NULL && option->words[i].word != NULL; i++)
        is_later |= option->words[i].instead != NULL;
    if (!is_later && strcmp(state, "not yet") == 0)
        fail_msg("docs/compatibility.md: %s works, but is \"not yet\"", option->name);
}

/* The lines of a section of the page, a new string. */
static char *section_of(const char *heading)
{
    static char page[1 << 18];
    FILE *in = fopen(SW_FIXTURES "/../../docs/compatibility.md", "r");
    assert_non_null(in);
    page[fread(page, 1, sizeof page - 1, in)] = '\0';
    fclose(in);
    const char *start = strstr(page, heading);
    if (start == NULL) fail_msg("docs/compatibility.md has no \"%s\"", heading);
    const char *end = strstr(start, "\n## ");
    return end != NULL ? strndup(start, (size_t)(end - start)) : strdup(start);
}

/* Looks at every row of an option and counts them by the option's index. Entries of "servers" are
 * no options of the table. */
static void read_rows(const struct program *program, unsigned *counts)
{
    char *section = section_of(program->heading);
    char *rest = section;

    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *cells[2];
        char name[64] = "";
        if (!cut_row(line, cells)) continue;
        sscanf(cells[0], "`%63[^`]`", name);
        if (strncmp(name, "servers[].", 10) == 0) continue;
        const struct sw_option *option = sw_option_find(program->set, name);
        if (option == NULL)
            fail_msg("docs/compatibility.md: %s has no option %s", program->set->program, name);
        check_state(option, cells[1]);
        counts[option - program->set->options]++;
    }
    free(section);
}

static void test_the_compatibility_page_has_every_option(void **state)
{
    (void)state;
    for (size_t p = 0; p < N_PROGRAMS; p++) {
        const struct sw_option_set *set = programs[p].set;
        unsigned *counts = calloc(set->n, sizeof *counts);
        read_rows(&programs[p], counts);
        for (size_t i = 0; i < set->n; i++) {
            if (counts[i] != 1)
                fail_msg("docs/compatibility.md, \"%s\": %u rows of %s, expected one",
                         programs[p].heading, counts[i], set->options[i].name);
        }
        free(counts);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_enter, fixture_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_option_has_a_row),
        TEST(test_types_flags_and_places),
        TEST(test_defaults_count_unless_something_is_given),
        TEST(test_values_mean_the_same_in_every_source),
        TEST(test_the_command_line_wins_over_environment_over_file),
        TEST(test_what_is_wrong_is_refused_in_every_source),
        TEST(test_bare_flags_switch_on_or_unset),
        TEST(test_misuse_is_refused),
        TEST(test_help_shows_every_flag_but_those_of_credentials),
        TEST(test_the_compatibility_page_has_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
