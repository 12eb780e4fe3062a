/* What the C tests share: a check that names itself, a watchdog, and threads that get stuck. */
#ifndef CHECK_H
#define CHECK_H

#include <eintr.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LIMIT_MS 60000

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            int number = errno;                                                                                        \
            fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #condition, number);                 \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* It must fail, with that error. */
#define FAILS(number, call)                                                                                            \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK((call) == -1);                                                                                           \
        CHECK(errno == (number));                                                                                      \
    } while (0)

/* The same for what returns a handle. */
#define NONE(number, call)                                                                                             \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK((call).id == 0);                                                                                          \
        CHECK(errno == (number));                                                                                      \
    } while (0)

/* Ends the test if it hangs. */
static inline void watch(void)
{
    alarm(LIMIT_MS / 1000 * 2);
}

/* A thread that runs something as a task. */
struct target {
    pthread_t thread;
    eintr_task task;
    eintr_interrupter interrupter;
    void (*body)(void *);
    void *arg;
};

static inline void *run_target(void *arg)
{
    struct target *target = arg;
    CHECK(eintr_task_begin(target->task) == 0);
    target->body(target->arg);
    CHECK(eintr_task_end(target->task) == 0);
    return NULL;
}

static inline void start(struct target *target, void (*body)(void *), void *arg)
{
    target->task = eintr_task_new("target", 0);
    target->interrupter = eintr_task_interrupter(target->task);
    target->body = body;
    target->arg = arg;
    CHECK(target->task.id && target->interrupter.id);
    CHECK(pthread_create(&target->thread, NULL, run_target, target) == 0);
}

/* Waits until its report says that; a report names what the thread does, so there is no sleep to be chosen. */
static inline void wait_until(const struct target *target, const char *state)
{
    char report[512] = "";
    for (int i = 0; i < LIMIT_MS; i++) {
        CHECK(eintr_report(target->interrupter, report, sizeof report) > 0);
        if (strstr(report, state))
            return;
        usleep(1000);
    }
    fprintf(stderr, "never \"%s\": %s\n", state, report);
    abort();
}

static inline void finish(struct target *target)
{
    CHECK(eintr_wait_finished(target->interrupter, LIMIT_MS) == 0);
    CHECK(pthread_join(target->thread, NULL) == 0);
    CHECK(eintr_interrupter_free(target->interrupter) == 0);
}

#endif
