/* A correct program is quiet under the thread sanitizer: what was written before a task was asked is read where that is
 * raised, what a task wrote where its end was waited for, and handles are made and freed on several threads. SIGTERM is noticed while
 * the main thread waits in a call that the sanitizer knows. With an argument, it is not correct, and the sanitizer must say so.
 */
#include "check.h"

enum { ROUNDS = 200 };

static int asked, done, racy;

static void *work(void *arg)
{
    CHECK(eintr_task_begin(*(eintr_task *)arg) == 0);
    while (eintr_checkpoint() == 0)
        ;
    CHECK(errno == ECANCELED);
    done = asked;
    CHECK(eintr_task_end(*(eintr_task *)arg) == 0);
    racy++;
    return NULL;
}

static void *make_and_free(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        eintr_task task = eintr_task_new("unrun", 0);
        CHECK(eintr_interrupter_free(eintr_task_interrupter(task)) == 0);
        CHECK(eintr_task_free(task) == 0);
    }
    return arg;
}

static int ends[2];

static void *serve(void *arg)
{
    char byte;
    CHECK(eintr_task_begin(*(eintr_task *)arg) == 0);
    FAILS(ECANCELED, eintr_read(ends[0], &byte, 1));
    CHECK(eintr_task_end(*(eintr_task *)arg) == 0);
    return NULL;
}

/* When both wait: a thread that is just making another takes no signal. */
static void *terminate(void *arg)
{
    const struct target *server = arg, *joining = server + 1;
    wait_until(server, "sleeping in read");
    wait_until(joining, "sleeping in futex");
    CHECK(kill(getpid(), SIGTERM) == 0);
    return NULL;
}

static void is_terminated(void)
{
    struct target both[2];
    pthread_t other;
    for (int i = 0; i < 2; i++) {
        both[i].task = eintr_task_new(i ? "main" : "server", 0);
        both[i].interrupter = eintr_task_interrupter(both[i].task);
    }
    eintr_scope signals = eintr_interrupt_on(both[0].interrupter, (const int[]){SIGTERM}, 1);
    CHECK(signals.id && pipe(ends) == 0 && eintr_task_begin(both[1].task) == 0);
    CHECK(pthread_create(&other, NULL, terminate, both) == 0);
    CHECK(pthread_create(&both[0].thread, NULL, serve, &both[0].task) == 0);
    CHECK(pthread_join(both[0].thread, NULL) == 0 && pthread_join(other, NULL) == 0);
    CHECK(eintr_task_end(both[1].task) == 0 && eintr_interrupt_off(signals) == 0);
    CHECK(eintr_interrupter_free(both[0].interrupter) == 0 && eintr_interrupter_free(both[1].interrupter) == 0);
}

int main(int argc, char **argv)
{
    pthread_t makers[2], worker;
    (void)argv;
    watch();
    is_terminated();
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&makers[i], NULL, make_and_free, NULL) == 0);
    for (int i = 1; i <= ROUNDS; i++) {
        eintr_task task = eintr_task_new("worker", 0);
        eintr_interrupter who = eintr_task_interrupter(task);
        CHECK(pthread_create(&worker, NULL, work, &task) == 0);
        asked = i;
        CHECK(eintr_interrupt(who) > 0);
        CHECK(eintr_wait_finished(who, 60000) == 0);
        CHECK(done == i);
        if (argc > 1)
            racy++;
        CHECK(pthread_join(worker, NULL) == 0);
        CHECK(eintr_interrupter_free(who) == 0);
    }
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(makers[i], NULL) == 0);
    puts("tsan: passed");
    return 0;
}
