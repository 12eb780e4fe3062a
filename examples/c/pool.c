/*
 * A pool whose jobs can be cancelled: each job is a task of its own, so a request reaches that job, wherever its thread is stuck in
 * it, and never the next one on the same thread. The threads live on.
 *
 *     ./pool
 */
#include <eintr.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 2
#define LIMIT_MS 20000

struct job {
    void (*run)(struct job *);
    int fds[2];
    char result[64];
    eintr_task task;
    eintr_interrupter interrupter;
    struct job *next;
};

static struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct job *first;
    bool is_closed;
    pthread_t threads[THREADS];
} pool = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, false, {0}};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void *work(void *arg)
{
    for (;;) {
        pthread_mutex_lock(&pool.mutex);
        while (!pool.first && !pool.is_closed)
            pthread_cond_wait(&pool.changed, &pool.mutex);
        struct job *job = pool.first;
        if (job)
            pool.first = job->next;
        pthread_mutex_unlock(&pool.mutex);
        if (!job)
            return arg;
        if (eintr_task_begin(job->task) < 0)
            fail("eintr_task_begin");
        job->run(job);
        eintr_task_end(job->task); /* what was asked of this job ends here */
    }
}

/* A job may be cancelled from here on, also before its turn has come. */
static void submit(struct job *job)
{
    job->task = eintr_task_new("job", EINTR_ROOT);
    job->interrupter = eintr_task_interrupter(job->task);
    pthread_mutex_lock(&pool.mutex);
    struct job **last = &pool.first;
    while (*last)
        last = &(*last)->next;
    *last = job;
    pthread_cond_signal(&pool.changed);
    pthread_mutex_unlock(&pool.mutex);
}

/* By a plain call of libc's, which knows nothing of all this. */
static void read_one(struct job *job)
{
    ssize_t length = read(job->fds[0], job->result, sizeof job->result - 1);
    if (length < 0)
        snprintf(job->result, sizeof job->result, "cancelled: %s", strerror(errno));
    close(job->fds[0]);
}

int main(void)
{
    enum { JOBS = 6 };
    struct job jobs[JOBS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&pool.threads[i], NULL, work, NULL) != 0)
            fail("pthread_create");
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < JOBS; i++) {
        jobs[i].run = read_one;
        if (pipe(jobs[i].fds) < 0)
            fail("pipe");
        submit(&jobs[i]);
    }

    /* Each other one is cancelled, whether it is stuck or has not begun; the rest get what they wait for. */
    for (int i = 0; i < JOBS; i += 2)
        eintr_interrupt(jobs[i].interrupter);
    for (int i = 1; i < JOBS; i += 2)
        if (write(jobs[i].fds[1], "done", 4) != 4)
            fail("write");

    int wrong = 0;
    for (int i = 0; i < JOBS; i++) {
        if (eintr_wait_finished(jobs[i].interrupter, LIMIT_MS) < 0)
            fail("eintr_wait_finished");
        printf("job %d: %s\n", i, jobs[i].result);
        wrong += (i % 2 == 0) != (strncmp(jobs[i].result, "cancelled", 9) == 0);
        eintr_interrupter_free(jobs[i].interrupter);
        close(jobs[i].fds[1]);
    }
    pthread_mutex_lock(&pool.mutex);
    pool.is_closed = true;
    pthread_cond_broadcast(&pool.changed);
    pthread_mutex_unlock(&pool.mutex);
    for (int i = 0; i < THREADS; i++)
        pthread_join(pool.threads[i], NULL);
    return wrong;
}
