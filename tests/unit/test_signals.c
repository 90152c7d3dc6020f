/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Signals of a program with one loop: host/signals.h. */

#include "host/signals.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int seen;

static void on_signal(void *user, int number)
{
    uv_stop(user);
    seen = number;
}

static void open_signals(uv_loop_t *loop, struct sw_signals *signals)
{
    uv_loop_init(loop);
    sw_signals_hold();
    sw_signals_watch(signals, loop, on_signal, loop);
}

static void close_signals(uv_loop_t *loop, struct sw_signals *signals)
{
    sw_signals_close(signals);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
}

/* What a process of its own returns. The handling of signals is changed there only. */
static int in_a_child(int (*body)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) _exit(body());
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int take_signal_from_before(void)
{
    uv_loop_t loop;
    struct sw_signals signals;
    sw_signals_hold();
    raise(SIGINT);
    open_signals(&loop, &signals);
    uv_run(&loop, UV_RUN_DEFAULT);
    close_signals(&loop, &signals);
    return seen;
}

static void test_signal_while_starting_is_told_later(void **state)
{
    assert_int_equal(in_a_child(take_signal_from_before), SIGINT);
}

static int go[2];

static void *raise_when_told(void *user)
{
    char byte;
    if (read(go[0], &byte, 1) == 1) raise(*(int *)user);
    return NULL;
}

/* A thread that was started meanwhile, as those that resolve names, does not hold signals. */
static int raise_after_the_end(int number)
{
    uv_loop_t loop;
    struct sw_signals signals;
    pthread_t thread;
    if (pipe(go) < 0) return 1;
    open_signals(&loop, &signals);
    if (pthread_create(&thread, NULL, raise_when_told, &number) != 0) return 1;
    close_signals(&loop, &signals);
    if (write(go[1], "", 1) != 1) return 1;
    pthread_join(thread, NULL);
    return 0;
}

static int raise_term(void)
{
    return raise_after_the_end(SIGTERM);
}

static int raise_hup(void)
{
    return raise_after_the_end(SIGHUP);
}

static void test_signal_while_ending_changes_nothing(void **state)
{
    assert_int_equal(in_a_child(raise_term), 0);
    assert_int_equal(in_a_child(raise_hup), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signal_while_starting_is_told_later),
        cmocka_unit_test(test_signal_while_ending_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
