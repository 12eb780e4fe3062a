/* A warning for each, as in dropped.c: what ends at once, and what is not looked at. It is not run. */
#include <eintr.hpp>

void dropped(eintr::task &task, eintr::interrupter who);

void dropped(eintr::task &task, eintr::interrupter who)
{
    using namespace std::chrono_literals;
    eintr::why();
    eintr::is_interrupted();
    who.interrupt().wait_for(1s);
    who.is_finished();
    who.wait_finished_for(1s);
    who.raised();
    who.report();
    eintr::interrupter::current();
    eintr::task();
    task.interrupter();
    task.release();
    eintr::running();
    eintr::running(std::move(task));
    (eintr::running(task));
    eintr::mask();
    eintr::reach(1);
    eintr::timeout(1s);
    eintr::hook([] {});
    eintr::interrupt_on(who, {1});
#ifdef __cpp_lib_jthread
    eintr::interrupt_on_stop{std::stop_token()};
    eintr::stop_on_interrupt();
#endif
}
