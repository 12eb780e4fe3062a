// The waits of C++20's standard library, each with a partner whom nobody asks. 0 if all was right.
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <thread>

namespace {
constexpr int times = 20;

template <class Body> void both(Body body) {
    auto often = [&] { for (int i = 0; i < times; i++) body(); };
    std::thread partner(often);
    often();
    partner.join();
}
}

extern "C" int cxx20_round() {
    int wrong = 0, inside = 0;
    std::mutex mutex;
    std::shared_mutex shared;
    auto alone = [&] { wrong += inside++ != 0; std::this_thread::yield(); inside--; };
    both([&] { std::lock_guard guard(mutex); alone(); });
    both([&] { std::lock_guard guard(shared); alone(); });

    std::barrier barrier(2);
    both([&] { barrier.arrive_and_wait(); });
    std::latch latch(2);
    std::thread arrives([&] { latch.arrive_and_wait(); });
    latch.arrive_and_wait();
    arrives.join();

    std::binary_semaphore there(0), back(0);
    std::thread answers([&] { for (int i = 0; i < times; i++) there.acquire(), back.release(); });
    for (int i = 0; i < times; i++) there.release(), back.acquire();
    answers.join();

    std::atomic<int> turn = 0;
    std::thread second([&] { for (int i = 0; i < times; i++) turn.wait(2 * i), turn++, turn.notify_all(); });
    for (int i = 0; i < times; i++) turn++, turn.notify_all(), turn.wait(2 * i + 1);
    second.join();

    std::condition_variable changed;
    int count = 0;
    std::thread counts([&] { for (int i = 0; i < times; i++) { { std::lock_guard guard(mutex); count++; } changed.notify_one(); } });
    { std::unique_lock guard(mutex); changed.wait(guard, [&] { return count == times; }); }
    counts.join();
    return wrong;
}
