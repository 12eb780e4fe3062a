/* A warning for each: what is dropped here is lost. It is not run. */
#include <eintr.h>

void dropped(void)
{
    eintr_task task = {0};
    eintr_interrupter interrupter = {0};
    eintr_sem sem = {0};
    eintr_cond cond = {0};
    struct eintr_reason reason;

    eintr_task_new(0, 0);
    eintr_task_interrupter(task);
    eintr_task_begin(task);
    eintr_current();
    eintr_interrupter_clone(interrupter);
    eintr_wait(interrupter, 1, 0);
    eintr_wait_finished(interrupter, 0);
    eintr_is_finished(interrupter);
    eintr_interrupt_on(interrupter, 0, 0);
    eintr_checkpoint();
    eintr_is_interrupted();
    eintr_why(&reason);
    eintr_raised(interrupter, &reason);
    eintr_mask_begin();
    eintr_timeout_begin(0);
    eintr_remaining();
    eintr_reach_begin(0);
    eintr_hook_begin(0, 0);
    eintr_abandonable(0, 0, 0);
    eintr_install(0);
    eintr_read(0, 0, 0);
    eintr_readv(0, 0, 0);
    eintr_pread(0, 0, 0, 0);
    eintr_preadv2(0, 0, 0, 0, 0);
    eintr_getrandom(0, 0, 0);
    eintr_open(0, 0, 0);
    eintr_openat(0, 0, 0, 0);
    eintr_accept(0, 0, 0);
    eintr_accept4(0, 0, 0, 0);
    eintr_recv(0, 0, 0, 0);
    eintr_recvfrom(0, 0, 0, 0, 0, 0);
    eintr_recvmsg(0, 0, 0);
    eintr_recvmmsg(0, 0, 0, 0, 0);
    eintr_sigwait(0, 0);
    eintr_msgrcv(0, 0, 0, 0, 0);
    eintr_mq_receive(0, 0, 0, 0);
    eintr_mq_timedreceive(0, 0, 0, 0, 0);
    eintr_sem_wait(&sem, 0);
    eintr_sem_trywait(&sem);
    eintr_cond_wait(&cond, 0, 0);
    eintr_join(interrupter);
}
