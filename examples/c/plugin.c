/*
 * A plugin that has the static library in itself: its call waits in the C library for as long as nobody calls its stop().
 * It is linked with -z nodelete, for the library stays when the plugin is unloaded; and with --exclude-libs, so that another plugin may
 * do the same beside it.
 */
#include <eintr.h>
#include <stdio.h>
#include <unistd.h>

static eintr_task task;
static eintr_interrupter interrupter;

/* Before the two others. */
int plugin_init(void)
{
    task = eintr_task_new("plugin", 0);
    interrupter = eintr_task_interrupter(task);
    return interrupter.id ? 0 : -1;
}

/* On a thread of the host's. */
int plugin_run(void)
{
    int fds[2], interrupted;
    char byte;
    if (pipe(fds) < 0 || eintr_task_begin(task) < 0)
        return -1;
    ssize_t length = read(fds[0], &byte, 1);
    interrupted = length < 0 && eintr_checkpoint() < 0;
    eintr_task_end(task);
    close(fds[0]);
    close(fds[1]);
    return interrupted;
}

/* On another. */
int plugin_stop(void)
{
    if (eintr_interrupt(interrupter) < 0 || eintr_wait_finished(interrupter, 10000) < 0)
        return -1;
    return eintr_interrupter_free(interrupter);
}
