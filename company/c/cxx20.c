/* C++20's standard library in a thread that is asked (cxx20.cpp). */
#include "company.h"

int cxx20_round(void);

static int all(void) {
    if (cxx20_round()) wrong("a lock let two in");
    return 0;
}

int main(int count, char **arguments) {
    begin(count, arguments);
    beside(2, (company_round[]){all, all});
}
