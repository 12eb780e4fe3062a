/* Buffered output of an asked thread, more than 100 ms after it was asked: what exit() writes, and fflush() in a thread that
 * takes the request. */
#include "company.h"

#include <fcntl.h>
#include <sys/wait.h>

/* Without a call that waits. */
static void spin(int ms) {
    for (int64_t end = now() + ms; now() < end;) getppid();
}

static eintr_task asked_task(void) {
    eintr_task task = eintr_task_new("writer", 0);
    if (eintr_task_begin(task)) wrong("eintr_task_begin");
    return task;
}

static void ask(void) {
    if (is_mode("asked") || is_mode("storm")) eintr_interrupt(eintr_current());
}

static void by_exit(void) {
    int fds[2], status;
    if (pipe(fds)) wrong("pipe");
    if (!fork()) {
        FILE *file = fdopen(fds[1], "w");
        fprintf(file, "the last words\n");
        if (with_us()) asked_task(), ask();
        spin(150);
        exit(0);
    }
    close(fds[1]);
    char words[100] = "";
    ssize_t length = read(fds[0], words, 99);
    wait(&status);
    if (length != 15 || status) wrong("%zd bytes of the last words, status %x", length, status);
    close(fds[0]);
}

static void by_fflush(void) {
    int fds[2];
    eintr_task task = {0};
    if (pipe(fds)) wrong("pipe");
    FILE *file = fdopen(fds[1], "w");
    if (with_us()) task = asked_task();
    fprintf(file, "first\n");
    ask();
    spin(150);
    int first = fflush(file);
    if (with_us()) eintr_take(NULL);
    clearerr(file);
    fprintf(file, "second\n");
    if (fflush(file)) wrong("fflush where nobody asks: %s", strerror(errno));
    if (with_us()) eintr_task_end(task);
    char words[100] = "";
    ssize_t length = read(fds[0], words, 99);
    if (length != 13) wrong("fflush %d, then %zd bytes arrived", first, length);
    fclose(file);
    close(fds[0]);
}

int main(int count, char **arguments) {
    begin(count, arguments);
    int64_t end = now() + milliseconds;
    do !strcmp(argument, "exit") ? by_exit() : by_fflush();
    while (now() < end);
}
