/* pthread_cancel of a thread that runs a task, or its own pthread_exit: its cleanup runs, it is joined, and nothing aborts. */
#include "company.h"

#include <fcntl.h>
#include <semaphore.h>

static sem_t semaphore;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int fds[2];
static _Atomic int cleaned, begun, ended;

static void clean(void *nothing) { (void)nothing; cleaned++; }
static void unlock(void *lock) { pthread_mutex_unlock(lock); }

static void *until_cancelled(void *task) {
    char byte = 'x';
    pthread_cleanup_push(clean, NULL);
    if (with_us() && eintr_task_begin(*(eintr_task *)task)) wrong("eintr_task_begin");
    begun = 1;
    if (!strcmp(argument, "semaphore"))
        for (;;) sem_wait(&semaphore);
    if (!strcmp(argument, "condition")) {
        pthread_mutex_lock(&mutex);
        pthread_cleanup_push(unlock, &mutex);
        for (;;) pthread_cond_wait(&condition, &mutex);
        pthread_cleanup_pop(1);
    }
    if (!strcmp(argument, "read"))
        for (;;) if (read(fds[0], &byte, 1) > 0) wrong("a read of nothing");
    if (!strcmp(argument, "exit")) {
        if (read(fds[0], &byte, 1) > 0) wrong("a read of nothing");
        pthread_exit(PTHREAD_CANCELED);
    }
    if (!strcmp(argument, "own"))
        for (;;) {
            if ((with_us() ? eintr_read(fds[0], &byte, 1) : read(fds[0], &byte, 1)) > 0) wrong("a read of nothing");
            pthread_testcancel();
        }
    if (!strcmp(argument, "write"))
        for (;;) if (write(fds[1], &byte, 1) == 0) wrong("a write of nothing");
    if (!strcmp(argument, "asynchronous")) {
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
        for (;;) getppid();
    }
    if (!strcmp(argument, "fsync")) {
        int fd = open("/", O_RDONLY);
        close(fd);
        for (;;) fsync(fd);
    }
    wrong("what? %s", argument);
    pthread_cleanup_pop(1);
    return NULL;
}

/* Asks without end, for as long as the thread is there. */
static void *storm(void *interrupter) {
    while (!ended) {
        eintr_interrupt(*(eintr_interrupter *)interrupter);
        pause_for(1);
    }
    return NULL;
}

static void one(int delay) {
    eintr_task task = {0};
    eintr_interrupter interrupter = {0};
    pthread_t thread, requester;
    cleaned = begun = ended = 0;
    if (pipe(fds) || sem_init(&semaphore, 0, 0)) wrong("pipe");
    if (with_us()) {
        task = eintr_task_new("cancelled", 0);
        interrupter = eintr_task_interrupter(task);
    }
    pthread_create(&thread, NULL, until_cancelled, &task);
    while (!begun) pause_for(1);
    if (is_mode("asked")) eintr_interrupt(interrupter);
    if (is_mode("storm")) pthread_create(&requester, NULL, storm, &interrupter);
    pause_for(delay);
    if (!strcmp(argument, "exit")) close(fds[1]);
    else if (pthread_cancel(thread)) wrong("pthread_cancel");
    /* It is no point of cancellation. */
    if (!strcmp(argument, "own") && with_us()) eintr_interrupt(interrupter);
    void *result;
    pthread_join(thread, &result);
    if (result != PTHREAD_CANCELED) wrong("it was not cancelled");
    if (cleaned != 1) wrong("cleanup ran %d times", cleaned);
    ended = 1;
    if (is_mode("storm")) pthread_join(requester, NULL);
    if (with_us()) eintr_interrupter_free(interrupter);
    close(fds[0]);
    if (strcmp(argument, "exit")) close(fds[1]);
}

int main(int count, char **arguments) {
    begin(count, arguments);
    int64_t end = now() + milliseconds;
    for (int round = 0; round < 30 || now() < end; round++) one(round % 5);
}
