/* OpenMP in a thread that is asked: its barriers, its critical sections, its locks. */
#include "company.h"

#include <omp.h>

#define TIMES 20

static int in_parallel(void) {
    int sum = 0, inside = 0;
    omp_lock_t lock;
    omp_init_lock(&lock);
#pragma omp parallel num_threads(3) reduction(+ : sum)
    for (int i = 0; i < TIMES; i++) {
#pragma omp critical
        if (inside++ || --inside) wrong("a critical section let two in");
        omp_set_lock(&lock);
        sum++;
        omp_unset_lock(&lock);
#pragma omp barrier
    }
    omp_destroy_lock(&lock);
    if (sum != 3 * TIMES) wrong("a sum of %d", sum);
    return 0;
}

int main(int count, char **arguments) {
    begin(count, arguments);
    beside(2, (company_round[]){in_parallel, in_parallel});
}
