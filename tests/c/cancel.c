/* pthread_cancel of threads that are reached (S24): cleanup handlers run, and the thread is joined. */
#include "check.h"
#include <fcntl.h>
#include <semaphore.h>

static sem_t semaphore;
static int ends[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static volatile int cleaned;

static void clean(void *arg)
{
    (void)arg;
    cleaned++;
}

static void unlock(void *arg)
{
    (void)arg;
    pthread_mutex_unlock(&mutex);
}

static void waits(void)
{
    for (;;)
        sem_wait(&semaphore); /* told EINTR once */
}

static void waits_with_a_lock(void)
{
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(unlock, NULL);
    for (;;)
        pthread_cond_wait(&condition, &mutex);
    pthread_cleanup_pop(1);
}

static void is_refused_again_and_again(void)
{
    char byte;
    for (;;)
        (void)!read(ends[0], &byte, 1);
}

static void is_refused_or_written(void)
{
    for (;;)
        (void)!write(ends[1], "x", 1);
}

static void asynchronously(void)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;)
        getppid();
}

static void calls_that_are_made(void)
{
    int fd = open("/tmp", O_RDONLY);
    for (;;)
        fsync(fd);
}

typedef struct {
    eintr_task task;
    void (*body)(void);
} job;

static volatile int reached;

static void *work(void *arg)
{
    job *it = arg;
    char byte;
    CHECK(eintr_task_begin(it->task) == 0);
    pthread_cleanup_push(clean, NULL);
    CHECK(read(ends[0], &byte, 1) == -1 && errno == ECANCELED);
    reached = 1;
    it->body();
    pthread_cleanup_pop(1);
    return NULL;
}

int main(void)
{
    static void (*const bodies[])(void) = {
        waits, waits_with_a_lock, is_refused_again_and_again, is_refused_or_written, asynchronously, calls_that_are_made,
    };
    if (getenv("ON_VALGRIND") || getenv("ON_ASAN"))
        return 0; /* nothing is reached under the one; the other reports any cancellation, without us as well */
    alarm(120);
    CHECK(sem_init(&semaphore, 0, 0) == 0);
    for (size_t k = 0; k < 10 * sizeof bodies / sizeof *bodies; k++) {
        CHECK(pipe(ends) == 0);
        job it = { eintr_task_new("cancelled", 0), bodies[k / 10] };
        eintr_interrupter interrupter = eintr_task_interrupter(it.task);
        pthread_t thread;
        int before = cleaned;
        void *result;
        reached = 0;
        CHECK(pthread_create(&thread, NULL, work, &it) == 0);
        eintr_interrupt(interrupter);
        while (!reached)
            sched_yield();
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
        CHECK(cleaned == before + 1);
        eintr_interrupter_free(interrupter);
        close(ends[0]);
        close(ends[1]);
    }
    return 0;
}
