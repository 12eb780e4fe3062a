// eintr.hpp: guards, errors and exceptions; with C++20, stop tokens.
//
// Whether a thread is stuck yet is told by its report, so there is no sleep to be chosen.
#include <eintr.hpp>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                               \
            std::abort();                                                                                              \
        }                                                                                                              \
    } while (0)

template <class E, class F> static void throws(F f)
{
    try {
        f();
    } catch (const E &) {
        return;
    }
    CHECK(!"nothing was thrown");
}

static void wait_until(const eintr::interrupter &who, const char *state)
{
    while (who.report().find(state) == std::string::npos)
        std::this_thread::sleep_for(1ms);
}

// A descriptor that says goodbye, and notes when it goes.
struct connection {
    int fd;
    std::vector<int> *gone;
    ~connection()
    {
        eintr::mask mask;
        eintr::timeout limit(10s);
        CHECK(eintr_write(fd, "bye", 3) == 3);
        CHECK(limit.end() == eintr::ended::in_time);
        close(fd);
        gone->push_back(fd);
    }
};

static void destructors_run()
{
    int first[2], second[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, first) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, second) == 0);
    std::vector<int> gone;
    eintr::task task("worker");
    eintr::interrupter worker = task.interrupter();
    std::thread thread([&] {
        eintr::running running(task);
        throws<eintr::interrupted>([&] {
            connection outer{first[0], &gone};
            eintr::reach reached(1);
            connection inner{second[0], &gone};
            char byte;
            eintr::check(eintr_read(inner.fd, &byte, 1));
        });
        // It is raised until it is taken; a copy of the reason is in the exception.
        try {
            eintr::checkpoint();
        } catch (const eintr::interrupted &why) {
            CHECK(why.reason().code == 7 && std::strcmp(why.reason().text, "closing time") == 0);
            CHECK(why.code() == eintr::errc::interrupted && why.code() == std::errc::operation_canceled);
        }
        CHECK(eintr::is_interrupted() && eintr::take()->code == 7 && !eintr::is_interrupted() && !eintr::take());
    });
    wait_until(worker, "sleeping in read");
    CHECK(!worker.is_finished() && !worker.wait_finished_for(0ms));
    CHECK(worker.interrupt(7, "closing time").wait_for(60s) <= eintr::outcome::finished);
    CHECK(worker.wait_finished_for(std::chrono::hours::max()));
    thread.join();
    CHECK((gone == std::vector<int>{second[0], first[0]}));
    char text[4] = "";
    CHECK(read(second[1], text, 3) == 3 && std::strcmp(text, "bye") == 0 && read(first[1], text, 3) == 3);
    CHECK(worker.raised()->code == 7);
    close(first[1]);
    close(second[1]);
}

static void any_exception_ends_what_is_open()
{
    eintr::task task;
    eintr::interrupter who = task.interrupter();
    throws<std::runtime_error>([&] {
        eintr::running running(std::move(task));
        eintr::mask mask;
        eintr::timeout limit(1h);
        eintr::hook hook([] {});
        CHECK(eintr_remaining() > 0);
        throw std::runtime_error("not ours");
    });
    CHECK(who.is_finished() && eintr_remaining() == -1);
    throws<std::system_error>([] { (void)eintr::interrupter::current(); });
    throws<std::system_error>([] { eintr::hook nothing{std::function<void()>()}; });
    // One that is not run has ended with its object.
    {
        eintr::task unrun("unrun");
        who = unrun.interrupter();
        CHECK(who.interrupt().wait_for(0ms) == eintr::outcome::not_started);
        eintr::task moved(std::move(unrun));
        CHECK(!who.is_finished());
    }
    CHECK(who.is_finished() && who.interrupt().wait_for(-1s) == eintr::outcome::finished);
    eintr::interrupter copy = who, moved = std::move(copy);
    CHECK(moved.is_finished());
}

static void errors()
{
    std::error_code error;
    CHECK(eintr::check(eintr_read(-1, nullptr, 0), error) == -1);
    CHECK(error.category() == eintr::category() && error == std::errc::bad_file_descriptor);
    CHECK(error != eintr::errc::interrupted && error.message() == std::strerror(EBADF));
    throws<std::system_error>([] { eintr::check(eintr_read(-1, nullptr, 0)); });
    eintr::checkpoint(error);
    CHECK(!error);
    eintr::running running("here");
    eintr::interrupter self = eintr::interrupter::current();
    self.interrupt();
    eintr::checkpoint(error);
    CHECK(error == eintr::errc::interrupted && error.message() == "interrupted");
    CHECK(std::string(eintr::interrupted().what()) == "interrupted" && eintr::interrupted().code() == error);
    errno = 42;
    {
        eintr::mask mask;
        eintr::timeout limit(1h);
        eintr::interrupter copy(self), moved(std::move(copy));
    }
    CHECK(errno == 42);
}

static void timeouts()
{
    auto stuck = [] { return eintr::check(eintr_poll(nullptr, 0, -1)); };
    throws<eintr::timed_out>([&] { eintr::within(20ms, stuck); });
    CHECK(std::string(eintr::timed_out().what()) == "timed out" && eintr::timed_out().code() == std::errc::timed_out);
    CHECK(eintr::within(1h, [] { return 5; }) == 5 && eintr::within(0s, [] { return 6; }) == 6);
    // An error of its own stays, also when it is late; and what an outer one has ended is not told as the inner one's.
    throws<std::runtime_error>([] { eintr::within(0s, [] { throw std::runtime_error("late"); }); });
    throws<eintr::timed_out>([&] {
        eintr::within(20ms, [&] { throws<eintr::interrupted>([&] { eintr::within(1h, stuck); }), eintr::checkpoint(); });
    });
    eintr::timeout limit(std::chrono::microseconds(1));
    CHECK(eintr_remaining() <= 1);
    throws<eintr::interrupted>(stuck);
    CHECK(limit.end() == eintr::ended::cut_short);
    throws<std::system_error>([&] { limit.end(); });
}

static void signals()
{
    eintr::running running("waits for SIGTERM");
    eintr::interrupt_on terminated(eintr::interrupter::current(), {SIGTERM});
    CHECK(kill(getpid(), SIGTERM) == 0);
    throws<eintr::interrupted>([] { eintr::check(eintr_poll(nullptr, 0, -1)); });
    CHECK(eintr::why()->kind == EINTR_SIGNAL && eintr::why()->code == SIGTERM);
}

static void hooks()
{
    std::mutex mutex;
    std::condition_variable woken;
    bool is_woken = false;
    eintr::task task;
    eintr::interrupter who = task.interrupter();
    std::thread thread([&] {
        eintr::running running(task);
        eintr::hook hook([&] {
            std::lock_guard lock(mutex);
            is_woken = true;
            woken.notify_all();
        });
        std::unique_lock lock(mutex);
        woken.wait(lock, [&] { return is_woken; });
        throws<eintr::interrupted>([] { eintr::checkpoint(); });
    });
    who.interrupt();
    CHECK(who.wait_finished_for(60s));
    thread.join();
}

#ifdef __cpp_lib_jthread
static void stop_tokens()
{
    // A stop is an interrupt: of a call, and of what comes after a stop that was requested before.
    std::atomic<int> ended = 0;
    auto stuck = [&](std::stop_token stop) {
        eintr::running running("stuck");
        eintr::interrupt_on_stop linked(stop);
        throws<eintr::interrupted>([] { eintr::check(eintr_poll(nullptr, 0, -1)); });
        ended++;
    };
    std::make_unique<std::jthread>(stuck).reset();
    CHECK(ended == 1);
    std::stop_source before;
    before.request_stop();
    std::thread(stuck, before.get_token()).join();
    CHECK(ended == 2);
    // The link ends with its object.
    {
        std::stop_source later;
        eintr::running running("linked for a while");
        (void)eintr::interrupt_on_stop{later.get_token()};
        later.request_stop();
        eintr::checkpoint();
    }

    // An interrupt is a stop.
    eintr::task task("waits by a token");
    eintr::interrupter who = task.interrupter();
    std::thread thread([&] {
        eintr::running running(task);
        eintr::stop_on_interrupt linked;
        std::mutex mutex;
        std::condition_variable_any never;
        std::unique_lock lock(mutex);
        CHECK(!never.wait(lock, linked.get_token(), [] { return false; }) && linked.get_token().stop_requested());
        throws<eintr::interrupted>([] { eintr::checkpoint(); });
    });
    wait_until(who, "sleeping in futex");
    who.interrupt();
    CHECK(who.wait_finished_for(60s));
    thread.join();
    // By a deadline, too.
    eintr::timeout limit(20ms);
    eintr::stop_on_interrupt linked;
    while (!linked.get_token().stop_requested())
        std::this_thread::yield();
    throws<eintr::interrupted>([] { eintr::checkpoint(); });
}
#endif

int main()
{
    alarm(120);
    destructors_run();
    any_exception_ends_what_is_open();
    errors();
    timeouts();
    signals();
    signals(); // which are given back
    hooks();
#ifdef __cpp_lib_jthread
    stop_tokens();
#endif
    std::puts("cpp: ok");
}
