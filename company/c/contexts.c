/* Coroutines by swapcontext, on one thread: what one has begun is to end while what others have begun stands. In C that is refused,
 * with EBUSY, and works in its turn; and their stacks are gone after. */
#include "company.h"

#include <poll.h>
#include <sys/mman.h>
#include <ucontext.h>

#define SIZE (64 * 1024)

struct coroutine {
    ucontext_t context, back;
    char *stack;
    int ended;
};

static __thread struct coroutine *running;
static int refused;

static void yield(void) {
    struct coroutine *self = running;
    if (swapcontext(&self->context, &self->back)) wrong("swapcontext");
}

static void not_yet(void) {
    if (errno != EBUSY) wrong("the end of what began earlier: %s", strerror(errno));
    refused++;
    yield();
}

static void body(void) {
    eintr_task task = {0};
    eintr_scope mask = {0};
    if (with_us()) {
        task = eintr_task_new("coroutine", 0);
        if (eintr_task_begin(task)) wrong("eintr_task_begin");
        mask = eintr_mask_begin();
    }
    yield();
    while (with_us() && eintr_mask_end(mask)) not_yet();
    while (with_us() && eintr_task_end(task)) not_yet();
    running->ended = 1;
}

static void resume(struct coroutine *one) {
    running = one;
    if (swapcontext(&one->back, &one->context)) wrong("swapcontext");
}

static void prepare(struct coroutine *one) {
    one->stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (one->stack == MAP_FAILED || getcontext(&one->context)) wrong("mmap");
    one->context.uc_stack.ss_sp = one->stack;
    one->context.uc_stack.ss_size = SIZE;
    one->context.uc_link = &one->back;
    makecontext(&one->context, body, 0);
}

static int in_turns(void) {
    struct coroutine all[3];
    memset(all, 0, sizeof all);
    for (int i = 0; i < 3; i++) prepare(&all[i]);
    /* First in, first out. */
    for (int step = 0; step < 7; step++)
        for (int i = 0; i < 3; i++)
            if (!all[i].ended) resume(&all[i]);
    for (int i = 0; i < 3; i++) {
        if (!all[i].ended) wrong("a coroutine has not ended");
        munmap(all[i].stack, SIZE);
    }
    if (with_us() && !refused) wrong("nothing was refused");
    return poll(NULL, 0, 5);
}

int main(int count, char **arguments) {
    begin(count, arguments);
    beside(1, (company_round[]){in_turns});
}
