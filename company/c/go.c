/* A Go runtime in the process, called by threads with tasks, on alternate stacks as small as std's. */
#include "company.h"

#include <signal.h>

extern int GoWork(void), GoTalk(void), GoExec(void);

static int call(void) {
    static __thread char stack[8192];
    static __thread int has_stack;
    if (!has_stack) {
        stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
        if (sigaltstack(&alternate, NULL)) return -1;
        has_stack = 1;
    }
    if (!strcmp(argument, "exec")) return GoExec();
    int result = !strcmp(argument, "network") ? GoTalk() : GoWork();
    if (result > 0) wrong("Go counts wrong");
    return result;
}

int main(int count, char **arguments) {
    begin(count, arguments);
    beside(3, (company_round[]){call, call, call});
}
