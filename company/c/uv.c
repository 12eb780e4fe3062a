/* libuv in a thread that runs a task. */
#include "company.h"

#include <signal.h>
#include <uv.h>

static int seen;

/* libuv's error as errno, and the loop closed. */
static int end(uv_loop_t *loop, int error) {
    if (!error) error = uv_run(loop, UV_RUN_DEFAULT);
    uv_run(loop, UV_RUN_NOWAIT);
    int closed = uv_loop_close(loop);
    if (closed) wrong("uv_loop_close: %s", uv_strerror(closed));
    errno = -error;
    return error ? -1 : 0;
}

static void on_exit_of(uv_process_t *process, int64_t status, int signal) {
    if (status || signal) wrong("a child of libuv's: status %ld, signal %d", (long)status, signal);
    seen++;
    uv_close((uv_handle_t *)process, NULL);
}

static int spawn(void) {
    uv_loop_t loop;
    uv_process_t process;
    char *arguments[] = {"/bin/true", NULL};
    uv_process_options_t options = {.file = arguments[0], .args = arguments, .exit_cb = on_exit_of};
    int error = uv_loop_init(&loop);
    if (error) return errno = -error, -1;
    error = uv_spawn(&loop, &process, &options);
    if (error) uv_close((uv_handle_t *)&process, NULL), uv_run(&loop, UV_RUN_NOWAIT);
    return end(&loop, error);
}

static void on_signal(uv_signal_t *handle, int signal) {
    (void)signal;
    seen++;
    uv_close((uv_handle_t *)handle, NULL);
}

static int of_signals(void) {
    uv_loop_t loop;
    uv_signal_t handle;
    int error = uv_loop_init(&loop);
    if (error) return errno = -error, -1;
    uv_signal_init(&loop, &handle);
    error = uv_signal_start(&handle, on_signal, SIGUSR2);
    if (error) uv_close((uv_handle_t *)&handle, NULL);
    else kill(getpid(), SIGUSR2);
    return end(&loop, error);
}

static void on_async(uv_async_t *handle) {
    seen++;
    uv_close((uv_handle_t *)handle, NULL);
}

static void on_stat(uv_fs_t *request) {
    if (request->result && request->result != UV_ECANCELED) wrong("uv_fs_stat: %s", uv_strerror(request->result));
    seen++;
    uv_fs_req_cleanup(request);
}

static int of_files(void) {
    uv_loop_t loop;
    uv_async_t async;
    uv_fs_t stat;
    int error = uv_loop_init(&loop);
    if (error) return errno = -error, -1;
    uv_async_init(&loop, &async, on_async);
    uv_async_send(&async);
    return end(&loop, uv_fs_stat(&loop, &stat, "/", on_stat));
}

int main(int count, char **arguments) {
    begin(count, arguments);
    company_round round = !strcmp(argument, "spawn") ? spawn : !strcmp(argument, "signal") ? of_signals : of_files;
    beside(1, &round);
    if (!seen) wrong("no callback was called");
}
