/* What the words of the header mean. */
#include "check.h"
#include <signal.h>
#include <stdatomic.h>

static void request_before_the_task(void)
{
    struct eintr_reason reason;
    eintr_task task = eintr_task_new("early", 0);
    eintr_interrupter interrupter = eintr_task_interrupter(task);
    int64_t first = eintr_interrupt_with(interrupter, 7, "no longer needed");
    int64_t second = eintr_interrupt(interrupter);
    CHECK(first > 0 && second > first);
    CHECK(eintr_wait(interrupter, first, 0) == EINTR_NOT_STARTED);
    CHECK(eintr_raised(interrupter, &reason) == 0);

    CHECK(eintr_task_begin(task) == 0);
    CHECK(eintr_wait(interrupter, first, -1) == EINTR_STUCK);
    CHECK(eintr_is_interrupted() == 1);
    FAILS(ECANCELED, eintr_checkpoint());
    FAILS(ECANCELED, eintr_usleep(1000000));
    CHECK(eintr_wait(interrupter, first, -1) == EINTR_RAISED);
    CHECK(eintr_why(&reason) == 1);
    CHECK(reason.kind == EINTR_CUSTOM && reason.code == 7 && strcmp(reason.text, "no longer needed") == 0);

    /* A mask hides it; what begins inside works. */
    eintr_scope mask = eintr_mask_begin();
    CHECK(eintr_checkpoint() == 0 && eintr_take(NULL) == 0 && eintr_usleep(1) == 0);
    CHECK(eintr_wait(interrupter, second, 0) == EINTR_MASKED);
    CHECK(eintr_mask_end(mask) == 0);

    /* One at a time. */
    memset(&reason, 0, sizeof reason);
    CHECK(eintr_take(&reason) == 1 && reason.code == 7);
    CHECK(eintr_take(&reason) == 1 && reason.kind == EINTR_REQUESTED);
    CHECK(eintr_take(&reason) == 0 && eintr_checkpoint() == 0);

    eintr_interrupter current = eintr_current();
    CHECK(current.id && eintr_interrupt(current) > second);
    FAILS(ECANCELED, eintr_checkpoint());
    CHECK(eintr_task_end(task) == 0);
    CHECK(eintr_raised(interrupter, &reason) == 1 && reason.kind == EINTR_REQUESTED);
    CHECK(eintr_checkpoint() == 0);
    CHECK(eintr_interrupter_free(interrupter) == 0 && eintr_interrupter_free(current) == 0);
}

static void a_long_reason_is_cut(void)
{
    char text[1000];
    struct eintr_reason reason;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    memcpy(text + 246, "\xc3\xa4", 2);
    eintr_task task = eintr_task_new(NULL, 0);
    eintr_interrupter interrupter = eintr_task_interrupter(task);
    CHECK(eintr_interrupt_with(interrupter, 1, text) > 0);
    CHECK(eintr_task_begin(task) == 0);
    CHECK(eintr_why(&reason) == 1 && strlen(reason.text) == 246);
    CHECK(eintr_task_end(task) == 0 && eintr_interrupter_free(interrupter) == 0);
}

static void timeouts(void)
{
    /* Without a task. */
    eintr_scope timeout = eintr_timeout_begin(20);
    CHECK(timeout.id && eintr_remaining() >= 0 && eintr_remaining() <= 20);
    FAILS(ECANCELED, eintr_poll(NULL, 0, -1));
    struct eintr_reason reason;
    CHECK(eintr_why(&reason) == 1 && reason.kind == EINTR_DEADLINE);
    CHECK(eintr_take(NULL) == 0);
    CHECK(eintr_timeout_end(timeout) == EINTR_CUT_SHORT);
    CHECK(eintr_remaining() == -1 && eintr_checkpoint() == 0);

    /* One that nobody felt has expired all the same. */
    timeout = eintr_timeout_begin(0);
    CHECK(eintr_timeout_end(timeout) == EINTR_EXPIRED);
    timeout = eintr_timeout_begin(-1);
    CHECK(eintr_timeout_end(timeout) == EINTR_IN_TIME);

    /* Nor does a plain sleep that it cuts short need an error. */
    timeout = eintr_timeout_begin(20);
    CHECK(sleep(1000) > 0);
    CHECK(eintr_timeout_end(timeout) == EINTR_CUT_SHORT);

    /* The outer one tells. */
    eintr_scope outer = eintr_timeout_begin(20);
    eintr_scope inner = eintr_timeout_begin(-1);
    CHECK(inner.id > outer.id);
    FAILS(ECANCELED, eintr_poll(NULL, 0, -1));
    CHECK(eintr_timeout_end(inner) == EINTR_IN_TIME);
    CHECK(eintr_timeout_end(outer) == EINTR_CUT_SHORT);

    /* Also where both have passed, and the inner one was felt first. */
    outer = eintr_timeout_begin(20);
    inner = eintr_timeout_begin(0);
    FAILS(ECANCELED, eintr_checkpoint());
    eintr_scope mask = eintr_mask_begin();
    CHECK(eintr_usleep(30000) == 0);
    CHECK(eintr_mask_end(mask) == 0);
    CHECK(eintr_timeout_end(inner) == EINTR_EXPIRED);
    CHECK(eintr_timeout_end(outer) == EINTR_CUT_SHORT);
}

static void support(void)
{
    struct eintr_support support;
    CHECK(eintr_support(&support) == 0);
    CHECK(support.signal > 0 && support.own_calls == EINTR_EXACT && support.reach >= EINTR_SECOND_BEST);
    CHECK(strcmp(eintr_version(), "0.") > 0);
}

static void *reads_a_byte(void *fd)
{
    char byte;
    CHECK(read(*(int *)fd, &byte, 1) == 1);
    return NULL;
}

static void reports(void)
{
    eintr_task task = eintr_task_new("a name", 0);
    eintr_interrupter interrupter = eintr_task_interrupter(task);
    char report[256], cut[5];
    ssize_t length = eintr_report(interrupter, report, sizeof report);
    CHECK(length == (ssize_t)strlen(report) && strncmp(report, "a name: not started", 19) == 0);
    CHECK(eintr_report(interrupter, cut, sizeof cut) == length && strcmp(cut, "a na") == 0);
    CHECK(eintr_task_begin(task) == 0);
    /* A plain thread, too: it is joined while it is asleep. */
    int ends[2];
    pthread_t plain;
    CHECK(pipe(ends) == 0 && pthread_create(&plain, NULL, reads_a_byte, &ends[0]) == 0);
    static char dump[1 << 16];
    CHECK(eintr_dump(dump, sizeof dump) > 0 && strncmp(dump, "eintr ", 6) == 0);
    CHECK(strstr(dump, "\na name (tid ") != NULL && strstr(dump, "\nplain thread ") != NULL);
    CHECK(write(ends[1], "x", 1) == 1 && pthread_join(plain, NULL) == 0);
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
    CHECK(eintr_task_end(task) == 0 && eintr_is_finished(interrupter) == 1);
    CHECK(eintr_interrupter_free(interrupter) == 0);
}

static void sleep_for_ever(void *arg)
{
    (void)arg;
    FAILS(ECANCELED, eintr_poll(NULL, 0, -1));
    struct eintr_reason reason;
    CHECK(eintr_why(&reason) == 1 && reason.kind == EINTR_SIGNAL && reason.code == SIGTERM);
}

static void signals(void)
{
    struct target target;
    start(&target, sleep_for_ever, NULL);
    eintr_scope registration = eintr_interrupt_on(target.interrupter, (const int[]){SIGTERM}, 1);
    CHECK(registration.id);
    NONE(EEXIST, eintr_interrupt_on(target.interrupter, (const int[]){SIGTERM}, 1));
    CHECK(kill(getpid(), SIGTERM) == 0);
    finish(&target);
    CHECK(eintr_interrupt_off(registration) == 0);
}

/* A wait that knows nothing of us. */
static struct wait {
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    int calls;
} wait_of_its_own = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void wake(void *arg)
{
    struct wait *it = arg;
    CHECK(pthread_mutex_lock(&it->mutex) == 0);
    it->calls++;
    CHECK(pthread_cond_broadcast(&it->woken) == 0 && pthread_mutex_unlock(&it->mutex) == 0);
}

static void wait_by_itself(void *arg)
{
    struct wait *it = arg;
    eintr_scope hook = eintr_hook_begin(wake, it);
    CHECK(hook.id);
    CHECK(pthread_mutex_lock(&it->mutex) == 0);
    while (it->calls == 0)
        CHECK(pthread_cond_wait(&it->woken, &it->mutex) == 0);
    CHECK(pthread_mutex_unlock(&it->mutex) == 0);
    FAILS(ECANCELED, eintr_checkpoint());
    CHECK(eintr_hook_end(hook) == 0 && it->calls == 1);
}

static void hooks(void)
{
    struct target target;
    start(&target, wait_by_itself, &wait_of_its_own);
    wait_until(&target, "sleeping in futex");
    CHECK(eintr_interrupt(target.interrupter) > 0);
    finish(&target);

    /* By a deadline; at once, if it has passed; and not after its end. */
    wait_of_its_own.calls = 0;
    eintr_scope timeout = eintr_timeout_begin(20);
    wait_by_itself(&wait_of_its_own);
    wait_of_its_own.calls = 0;
    wait_by_itself(&wait_of_its_own);
    CHECK(eintr_timeout_end(timeout) == EINTR_CUT_SHORT);
    eintr_scope hook = eintr_hook_begin(wake, &wait_of_its_own);
    CHECK(eintr_hook_end(hook) == 0);
    timeout = eintr_timeout_begin(0);
    FAILS(ECANCELED, eintr_checkpoint());
    CHECK(eintr_timeout_end(timeout) == EINTR_CUT_SHORT && wait_of_its_own.calls == 1);
}

static atomic_int handled;

static void handle(int number)
{
    (void)number;
    handled++;
}

static void wait_for_a_signal(void *arg)
{
    sigset_t none;
    sigemptyset(&none);
    while (!handled)
        FAILS(EINTR, eintr_pause());
    handled = 0;
    *(atomic_int *)arg = 1;
    while (!handled)
        FAILS(EINTR, eintr_sigsuspend(&none));
    *(atomic_int *)arg = 2;
    FAILS(ECANCELED, eintr_pause());
}

/* What it waits for may come before it waits, as ever with pause: until it says that it was seen. */
static void pauses(void)
{
    struct target target;
    atomic_int seen = 0;
    struct sigaction handling = {.sa_handler = handle};
    CHECK(sigaction(SIGURG, &handling, NULL) == 0);
    start(&target, wait_for_a_signal, &seen);
    for (int i = 1; i <= 2; i++)
        while (seen < i) {
            CHECK(pthread_kill(target.thread, SIGURG) == 0);
            usleep(1000);
        }
    wait_until(&target, "sleeping in ");
    CHECK(eintr_interrupt(target.interrupter) > 0);
    finish(&target);
}

static void bytes_and_messages(void)
{
    int here[2], there[2], pair[2];
    char first[2], second[4];
    struct iovec out[] = {{(void *)"ab", 2}, {(void *)"cdef", 4}}, in[] = {{first, sizeof first}, {second, sizeof second}};
    CHECK(pipe(here) == 0 && pipe(there) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    CHECK(eintr_vmsplice(here[1], out, 2, 0) == 6 && eintr_tee(here[0], there[1], 4, 0) == 4);
    CHECK(eintr_preadv2(there[0], in, 2, -1, 0) == 4 && memcmp(first, "ab", 2) == 0 && memcmp(second, "cd", 2) == 0);
    FAILS(EAGAIN, eintr_preadv2(there[0], in, 2, -1, RWF_NOWAIT));
    CHECK(eintr_pwritev2(there[1], out, 2, -1, 0) == 6);
    FAILS(ESPIPE, eintr_pwritev2(there[1], out, 2, 0, 0));

    struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = out, .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = out + 1, .msg_iovlen = 1}}};
    CHECK(eintr_sendmmsg(pair[0], messages, 2, 0) == 2 && messages[1].msg_len == 4);
    messages[0].msg_hdr.msg_iov = in;
    messages[1].msg_hdr.msg_iov = in + 1;
    CHECK(eintr_recvmmsg(pair[1], messages, 2, 0, NULL) == 2 && messages[0].msg_len == 2 && memcmp(second, "cdef", 4) == 0);
    int fds[] = {here[0], here[1], there[0], there[1], pair[0], pair[1]};
    for (int i = 0; i < 6; i++)
        close(fds[i]);
}

/* A socket's own time is not begun anew by signals: else this would not end. */
static void read_in_its_time(void *arg)
{
    struct timeval time = {.tv_sec = 0, .tv_usec = 50000};
    char byte;
    struct iovec in = {&byte, 1};
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    FAILS(EAGAIN, eintr_preadv2(pair[0], &in, 1, -1, 0));
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &in, .msg_iovlen = 1}};
    FAILS(EAGAIN, eintr_recvmmsg(pair[0], &message, 1, 0, NULL));
    close(pair[0]);
    close(pair[1]);
    *(atomic_int *)arg = 1;
}

static void disturbed(void)
{
    struct target target;
    atomic_int ended = 0;
    start(&target, read_in_its_time, &ended);
    while (!ended) {
        CHECK(pthread_kill(target.thread, SIGURG) == 0);
        usleep(1000);
    }
    finish(&target);
}

/* Some tokens, each taken once; and a buffer for one, with a condition variable. */
static struct {
    eintr_sem tokens;
    pthread_mutex_t mutex;
    eintr_cond changed;
    bool is_full;
    atomic_int taken, received;
} shared = {{0}, PTHREAD_MUTEX_INITIALIZER, {0}, false, 0, 0};

static void consume(void *arg)
{
    (void)arg;
    while (eintr_sem_wait(&shared.tokens, NULL) == 0) {
        shared.taken++;
        CHECK(pthread_mutex_lock(&shared.mutex) == 0);
        while (!shared.is_full)
            CHECK(eintr_cond_wait(&shared.changed, &shared.mutex, NULL) == 0);
        shared.is_full = false;
        shared.received++;
        CHECK(eintr_cond_broadcast(&shared.changed) == 0 && pthread_mutex_unlock(&shared.mutex) == 0);
    }
    CHECK(errno == ECANCELED && eintr_sem_trywait(&shared.tokens) == -1 && errno == EAGAIN);
    CHECK(pthread_mutex_lock(&shared.mutex) == 0);
    FAILS(ECANCELED, eintr_cond_wait(&shared.changed, &shared.mutex, NULL));
    CHECK(pthread_mutex_unlock(&shared.mutex) == 0);
}

static void semaphores_and_conditions(void)
{
    enum { CONSUMERS = 3, TOKENS = 200 };
    struct target consumers[CONSUMERS];
    struct timespec at_once = {0, 0};
    for (int i = 0; i < CONSUMERS; i++)
        start(&consumers[i], consume, NULL);
    for (int i = 0; i < TOKENS; i++) {
        CHECK(eintr_sem_post(&shared.tokens) == 0);
        CHECK(pthread_mutex_lock(&shared.mutex) == 0);
        while (shared.is_full)
            CHECK(eintr_cond_wait(&shared.changed, &shared.mutex, NULL) == 0);
        shared.is_full = true;
        CHECK(eintr_cond_broadcast(&shared.changed) == 0 && pthread_mutex_unlock(&shared.mutex) == 0);
    }
    while (shared.received < TOKENS)
        usleep(1000);
    for (int i = 0; i < CONSUMERS; i++) {
        wait_until(&consumers[i], "sleeping in ");
        CHECK(eintr_interrupt(consumers[i].interrupter) > 0 && eintr_join(consumers[i].interrupter) == 0);
        finish(&consumers[i]);
    }
    CHECK(shared.taken == TOKENS && shared.tokens.value == 0);
    FAILS(ETIMEDOUT, eintr_sem_wait(&shared.tokens, &at_once));
    CHECK(eintr_sem_post(&shared.tokens) == 0 && eintr_sem_wait(&shared.tokens, &at_once) == 0);
    CHECK(pthread_mutex_lock(&shared.mutex) == 0);
    FAILS(ETIMEDOUT, eintr_cond_wait(&shared.changed, &shared.mutex, &at_once));
    CHECK(pthread_mutex_unlock(&shared.mutex) == 0);
}

/* What abandonable code does: see abandon.rs for the rest. */
static intptr_t return_argument(void *arg)
{
    return (intptr_t)arg;
}

static void mask_and_return(void *arg)
{
    intptr_t value = 0;
    CHECK(eintr_abandonable(return_argument, (void *)INTPTR_MIN, &value) == 0 && value == INTPTR_MIN);
    (void)arg;
}

static volatile bool may_end;

static intptr_t masked_inside(void *arg)
{
    (void)arg;
    eintr_scope mask = eintr_mask_begin();
    while (!may_end)
        ;
    eintr_mask_end(mask); /* here it is left, at the latest */
    for (;;)
        ;
    return 0;
}

static void run_masked_inside(void *arg)
{
    (void)arg;
    FAILS(ECANCELED, eintr_abandonable(masked_inside, NULL, NULL));
}

static intptr_t endless(void *arg)
{
    (void)arg;
    for (;;)
        ;
    return 0;
}

static intptr_t one_inside(void *arg)
{
    (void)arg;
    FAILS(ECANCELED, eintr_abandonable(endless, NULL, NULL));
    for (;;)
        ;
    return 0;
}

/* A call of ours inside comes to its end first. */
static intptr_t own_call_inside(void *arg)
{
    eintr_poll(NULL, 0, -1);
    return endless(arg);
}

static void run_inside(void *arg)
{
    intptr_t (*outer)(void *) = *(intptr_t(**)(void *))arg;
    FAILS(ECANCELED, eintr_abandonable(outer, NULL, NULL));
    /* Nothing of it is open any more. */
    CHECK(eintr_why(NULL) == 1 && eintr_take(NULL) == 1 && eintr_checkpoint() == 0 && eintr_usleep(1) == 0);
}

static void nested_abandoning(void)
{
    static intptr_t (*outers[])(void *) = {one_inside, own_call_inside};
    for (int i = 0; i < 2; i++) {
        struct target target;
        start(&target, run_inside, &outers[i]);
        wait_until(&target, i ? "sleeping in ppoll" : "running");
        if (i == 0)
            usleep(10000); /* into the inner one, most likely */
        eintr_interrupt(target.interrupter);
        finish(&target);
    }
}

static void abandoning(void)
{
    struct target target;
    start(&target, mask_and_return, NULL);
    finish(&target);

    start(&target, run_masked_inside, NULL);
    wait_until(&target, "running");
    int64_t request = eintr_interrupt(target.interrupter);
    int outcome = eintr_wait(target.interrupter, request, 50);
    /* It may have been left before the mask began. */
    CHECK(outcome == EINTR_MASKED || outcome == EINTR_RAISED || outcome == EINTR_FINISHED);
    may_end = true;
    finish(&target);

    /* By a deadline, without a task. */
    may_end = true;
    eintr_scope timeout = eintr_timeout_begin(20);
    FAILS(ECANCELED, eintr_abandonable(masked_inside, NULL, NULL));
    CHECK(eintr_timeout_end(timeout) == EINTR_CUT_SHORT);
}

int main(void)
{
    watch();
    request_before_the_task();
    a_long_reason_is_cut();
    timeouts();
    support();
    reports();
    signals();
    hooks();
    if (!getenv("ON_VALGRIND")) /* which makes an interrupted call anew with a mask of its own that is gone */
        pauses();
    bytes_and_messages();
    disturbed();
    semaphores_and_conditions();
    abandoning();
    nested_abandoning();
    puts("meaning: ok");
    return 0;
}
