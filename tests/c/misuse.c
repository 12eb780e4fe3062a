/* Every misuse is an error code, never a crash. */
#include "check.h"

struct begun {
    eintr_task task;
    eintr_scope mask, timeout, reach;
};

static void *end_elsewhere(void *arg)
{
    const struct begun *begun = arg;
    FAILS(EINVAL, eintr_task_end(begun->task));
    FAILS(EINVAL, eintr_mask_end(begun->mask));
    FAILS(EINVAL, eintr_timeout_end(begun->timeout));
    FAILS(EINVAL, eintr_reach_end(begun->reach));
    return NULL;
}

static void *leave_open(void *arg)
{
    CHECK(eintr_task_begin(*(eintr_task *)arg) == 0);
    CHECK(eintr_mask_begin().id != 0);
    CHECK(eintr_timeout_begin(1000000).id != 0);
    return NULL;
}

int main(void)
{
    struct eintr_reason reason;
    char text[8];
    watch();

    /* Numbers that stand for nothing, and for something else. */
    eintr_task task = eintr_task_new(NULL, 0);
    eintr_interrupter interrupter = eintr_task_interrupter(task);
    CHECK(task.id && interrupter.id && task.id != interrupter.id);
    const uint64_t nothing[] = {0, 1000000, UINT64_MAX, task.id};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        eintr_interrupter none = {nothing[i]};
        NONE(EINVAL, eintr_interrupter_clone(none));
        FAILS(EINVAL, eintr_interrupter_free(none));
        FAILS(EINVAL, eintr_interrupt(none));
        FAILS(EINVAL, eintr_interrupt_with(none, 1, "x"));
        FAILS(EINVAL, eintr_wait(none, 1, 0));
        FAILS(EINVAL, eintr_wait_finished(none, 0));
        FAILS(EINVAL, eintr_is_finished(none));
        FAILS(EINVAL, eintr_raised(none, &reason));
        FAILS(EINVAL, eintr_join(none));
        FAILS(EINVAL, eintr_report(none, text, sizeof text));
        NONE(EINVAL, eintr_interrupt_on(none, (const int[]){SIGTERM}, 1));
        eintr_scope no_scope = {nothing[i]};
        FAILS(EINVAL, eintr_interrupt_off(no_scope));
        FAILS(EINVAL, eintr_mask_end(no_scope));
        FAILS(EINVAL, eintr_timeout_end(no_scope));
        FAILS(EINVAL, eintr_reach_end(no_scope));
        FAILS(EINVAL, eintr_hook_end(no_scope));
        eintr_task no_task = {nothing[i]};
        FAILS(EINVAL, eintr_task_end(no_task));
        if (no_task.id == task.id)
            continue;
        FAILS(EINVAL, eintr_task_begin(no_task));
        FAILS(EINVAL, eintr_task_free(no_task));
        NONE(EINVAL, eintr_task_interrupter(no_task));
    }
    FAILS(EINVAL, eintr_task_begin((eintr_task){interrupter.id}));
    NONE(EINVAL, eintr_task_new("x", 4));
    NONE(ESRCH, eintr_current());
    FAILS(EINVAL, eintr_wait(interrupter, -1, 0));
    FAILS(EINVAL, eintr_wait(interrupter, 0, 0));
    FAILS(EINVAL, eintr_wait(interrupter, 1, 0));

    /* A time that is none. Where a man page takes it for one, it is. */
    const int no_time[] = {-2, INT_MIN};
    for (size_t i = 0; i < sizeof no_time / sizeof *no_time; i++) {
        FAILS(EINVAL, eintr_wait_finished(interrupter, no_time[i]));
        NONE(EINVAL, eintr_timeout_begin(no_time[i]));
    }

    /* Null where it means nothing. */
    FAILS(EINVAL, eintr_support(NULL));
    FAILS(EINVAL, eintr_report(interrupter, NULL, 1));
    CHECK(eintr_report(interrupter, NULL, 0) > 0);
    FAILS(EINVAL, eintr_dump(NULL, 1));
    NONE(EINVAL, eintr_interrupt_on(interrupter, NULL, 1));
    NONE(EINVAL, eintr_interrupt_on(interrupter, (const int[]){SIGTERM}, 0));
    NONE(EINVAL, eintr_interrupt_on(interrupter, (const int[]){SIGKILL}, 1));
    NONE(EINVAL, eintr_hook_begin(NULL, NULL));
    FAILS(EINVAL, eintr_abandonable(NULL, NULL, NULL));
    FAILS(EFAULT, eintr_nanosleep(NULL, NULL));
    CHECK(eintr_clock_nanosleep(CLOCK_MONOTONIC, 0, NULL, NULL) == EFAULT);
    FAILS(EFAULT, eintr_fcntl_lock(0, F_SETLKW, NULL));
    FAILS(EINVAL, eintr_fcntl_lock(0, F_SETLK, NULL));
    FAILS(EFAULT, eintr_connect(0, NULL, 16));
    FAILS(EFAULT, eintr_sigwaitinfo(NULL, NULL));
    FAILS(EFAULT, eintr_futex_wait(NULL, 0, NULL));
    FAILS(EFAULT, eintr_sigsuspend(NULL));
    FAILS(EFAULT, eintr_sem_wait(NULL, NULL));
    FAILS(EFAULT, eintr_sem_trywait(NULL));
    FAILS(EFAULT, eintr_sem_post(NULL));
    FAILS(EFAULT, eintr_cond_wait(NULL, NULL, NULL));
    FAILS(EFAULT, eintr_cond_wait(&(eintr_cond){0}, NULL, NULL));
    FAILS(EFAULT, eintr_cond_signal(NULL));
    FAILS(EFAULT, eintr_cond_broadcast(NULL));
    FAILS(EOVERFLOW, eintr_sem_post(&(eintr_sem){UINT32_MAX}));
    FAILS(EAGAIN, eintr_sem_trywait(&(eintr_sem){0}));

    /* What the kernel finds. */
    FAILS(EBADF, eintr_read(-1, text, 1));
    FAILS(EBADF, eintr_read(12345, text, 1));
    FAILS(EBADF, eintr_accept(-1, NULL, NULL));
    FAILS(EBADF, eintr_flock(-1, LOCK_UN));
    FAILS(EBADF, eintr_preadv2(-1, NULL, 0, -1, 0));
    FAILS(EBADF, eintr_pwritev2(-1, NULL, 0, 0, 0));
    FAILS(EBADF, eintr_tee(-1, -1, 1, 0));
    FAILS(EBADF, eintr_vmsplice(-1, NULL, 0, 0));
    FAILS(EBADF, eintr_recvmmsg(-1, NULL, 1, 0, NULL));
    FAILS(EBADF, eintr_sendmmsg(-1, NULL, 1, 0));
    FAILS(EINVAL, eintr_epoll_wait(0, NULL, 0, 0));
    FAILS(ECHILD, eintr_waitpid(-1, NULL, 0));
    if (!getenv("ON_VALGRIND")) { /* which has no such call, or finds it, too */
        FAILS(EBADF, eintr_epoll_pwait2(-1, NULL, 1, NULL, NULL));
        FAILS(EFAULT, eintr_poll((struct pollfd *)16, 1, 0));
        FAILS(EFAULT, eintr_open((const char *)16, 0, 0));
    }
    struct timespec wrong = {.tv_sec = 0, .tv_nsec = 1000000000};
    FAILS(EINVAL, eintr_nanosleep(&wrong, NULL));
    FAILS(EINVAL, eintr_ppoll(NULL, 0, &wrong, NULL));
    FAILS(EINVAL, eintr_epoll_pwait2(0, NULL, 1, &wrong, NULL));
    FAILS(EINVAL, eintr_sem_wait(&(eintr_sem){1}, &wrong));
    FAILS(EINVAL, eintr_install(0));
    FAILS(EINVAL, eintr_install(SIGKILL));
    NONE(EINVAL, eintr_reach_begin(3));
    NONE(EINVAL, eintr_reach_begin(-1));

    /* Twice, in the wrong order, on another thread. */
    CHECK(eintr_task_begin(task) == 0);
    FAILS(EINVAL, eintr_task_begin(task));
    FAILS(EINVAL, eintr_task_free(task));
    FAILS(EBUSY, eintr_install(SIGUSR2));
    struct begun begun = {task, eintr_mask_begin(), eintr_timeout_begin(-1), eintr_reach_begin(1)};
    CHECK(begun.mask.id && begun.timeout.id && begun.reach.id);
    pthread_t other;
    CHECK(pthread_create(&other, NULL, end_elsewhere, &begun) == 0);
    CHECK(pthread_join(other, NULL) == 0);
    FAILS(EBUSY, eintr_task_end(task));
    FAILS(EBUSY, eintr_mask_end(begun.mask));
    FAILS(EBUSY, eintr_timeout_end(begun.timeout));
    FAILS(EINVAL, eintr_mask_end(begun.reach));
    CHECK(eintr_reach_end(begun.reach) == 0);
    FAILS(EINVAL, eintr_reach_end(begun.reach));
    CHECK(eintr_timeout_end(begun.timeout) == 0);
    CHECK(eintr_mask_end(begun.mask) == 0);
    FAILS(ETIMEDOUT, eintr_wait_finished(interrupter, 0));
    /* Requests that were never made, or not of this task. */
    FAILS(EINVAL, eintr_wait(interrupter, 0, 0));
    FAILS(EINVAL, eintr_wait(interrupter, 1, 0));
    int64_t request = eintr_interrupt(interrupter);
    CHECK(request == 1 && eintr_wait(interrupter, request, 0) == EINTR_STUCK);
    FAILS(EINVAL, eintr_wait(interrupter, request, -2));
    FAILS(EINVAL, eintr_wait(interrupter, request + 1, -1));
    FAILS(EINVAL, eintr_wait(interrupter, INT64_MAX, -1));
    /* Any negative time is for ever, for the kernel; and there is no waiting, for what is ready or interrupted. */
    FAILS(ECANCELED, eintr_poll(NULL, 0, -2));
    CHECK(eintr_take(NULL) == 1);
    CHECK(eintr_task_end(task) == 0);
    FAILS(EINVAL, eintr_task_end(task));
    CHECK(eintr_is_finished(interrupter) == 1);
    CHECK(eintr_interrupt(interrupter) == 0);
    CHECK(eintr_wait(interrupter, 0, -1) == EINTR_FINISHED);
    CHECK(eintr_wait(interrupter, request, -1) == EINTR_RAISED);
    FAILS(EINVAL, eintr_wait(interrupter, request + 1, -1));
    CHECK(eintr_interrupter_free(interrupter) == 0);
    FAILS(EINVAL, eintr_interrupt(interrupter));
    FAILS(EINVAL, eintr_interrupter_free(interrupter));

    /* What is open at a thread's end is ended then. */
    task = eintr_task_new(NULL, 0);
    interrupter = eintr_task_interrupter(task);
    CHECK(pthread_create(&other, NULL, leave_open, &task) == 0);
    CHECK(pthread_join(other, NULL) == 0);
    CHECK(eintr_is_finished(interrupter) == 1);
    CHECK(eintr_interrupter_free(interrupter) == 0);

    /* Success leaves errno alone. */
    errno = 42;
    CHECK(eintr_checkpoint() == 0 && eintr_is_interrupted() == 0 && eintr_why(NULL) == 0 && eintr_take(NULL) == 0);
    CHECK(eintr_usleep(1) == 0 && eintr_remaining() == -1);
    CHECK(errno == 42);
    puts("misuse: ok");
    return 0;
}
