/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs a fuzz target over kept inputs without libFuzzer, so that each build checks them, with gcc
 * too. Arguments are files, or directories whose regular files are taken in turn. A target reports
 * by crashing; this program itself fails when it finds nothing to run, since that would prove
 * nothing.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *name, size_t size)
{
    /* An allocation of exactly the input's size lets sanitizers see a read one byte too far. */
    uint8_t *data = malloc(size > 0 ? size : 1);
    FILE *file = fopen(name, "rb");
    int ret = -1;

    if (data == NULL || file == NULL || fread(data, 1, size, file) != size) {
        fprintf(stderr, "%s: cannot read it\n", name);
    } else {
        LLVMFuzzerTestOneInput(data, size);
        ret = 1;
    }
    if (file != NULL) fclose(file);
    free(data);
    return ret;
}

static int run_directory(const char *name);

/* The number of inputs run, -1 on failure. Directories inside of directories are passed over. */
static int run(const char *name, bool enter)
{
    struct stat st;

    if (stat(name, &st) != 0) {
        fprintf(stderr, "%s: not there\n", name);
        return -1;
    }
    if (S_ISDIR(st.st_mode)) return enter ? run_directory(name) : 0;
    return run_file(name, (size_t)st.st_size);
}

static int run_directory(const char *name)
{
    struct dirent **entries;
    int n = scandir(name, &entries, NULL, alphasort);
    int total = 0;

    if (n < 0) {
        fprintf(stderr, "%s: cannot list it\n", name);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        char path[4096];
        int len = snprintf(path, sizeof(path), "%s/%s", name, entries[i]->d_name);
        if (total >= 0 && entries[i]->d_name[0] != '.') {
            int ran = len < (int)sizeof(path) ? run(path, false) : -1;
            total = ran < 0 ? -1 : total + ran;
        }
        free(entries[i]);
    }
    free(entries);
    return total;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        int ran = run(argv[i], true);
        if (ran < 0) return EXIT_FAILURE;
        total += ran;
    }
    printf("%d inputs\n", total);
    return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
