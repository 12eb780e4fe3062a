/*
 * eintr for C++17: header only, over eintr.h, which documents what is done here. With C++20 there is std::stop_token.
 *
 *     eintr::task task("worker");
 *     eintr::interrupter worker = task.interrupter();
 *     std::thread thread([&task] {
 *         eintr::running running(task);
 *         try {
 *             for (;;)
 *                 serve(eintr::check(eintr_accept(listener, nullptr, nullptr)));
 *         } catch (const eintr::interrupted &why) {         // every destructor on the way has run
 *             log(why.reason().text);
 *         }
 *     });
 *     worker.interrupt();                                   // from any thread, at any time
 *
 * What begins something is an object: it begins where that is made, and ends where that goes, on the same thread and the innermost
 * first, as automatic objects do by themselves. An error is a std::error_code of eintr::category(), with an errno's value; it compares
 * equal to the std::errc of that value. Each function that may fail throws it as a std::system_error, or hands it out where it is
 * given a std::error_code. "Interrupted" is eintr::errc::interrupted, thrown as eintr::interrupted.
 */
#ifndef EINTR_HPP
#define EINTR_HPP

#include <eintr.h>

#include <cassert>
#include <cerrno>
#include <chrono>
#include <climits>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#if __cplusplus >= 202002L && __has_include(<stop_token>)
#include <stop_token>
#endif

/* What begins with an object ends with it: one that has no name has ended when the next line begins. */
#if __has_cpp_attribute(nodiscard) >= 201907L
#define EINTR_NODISCARD_OBJECT [[nodiscard]]
#else
#define EINTR_NODISCARD_OBJECT
#endif

namespace eintr {

/* ---- Errors ---------------------------------------------------------------------------------------------------- */

enum class errc { interrupted = ECANCELED, timed_out = ETIMEDOUT };

inline const std::error_category &category() noexcept
{
    struct : std::error_category {
        const char *name() const noexcept override { return "eintr"; }
        std::string message(int number) const override
        {
            if (number == ECANCELED)
                return "interrupted";
            return number == ETIMEDOUT ? "timed out" : std::generic_category().message(number);
        }
        std::error_condition default_error_condition(int number) const noexcept override
        {
            return std::generic_category().default_error_condition(number);
        }
    } static const it;
    return it;
}

inline std::error_code make_error_code(errc error) noexcept
{
    return {static_cast<int>(error), category()};
}

/* What the last function of eintr.h on this thread has failed with. */
inline std::error_code last_error() noexcept
{
    return {errno, category()};
}

} // namespace eintr

template <> struct std::is_error_code_enum<eintr::errc> : std::true_type {
};

namespace eintr {

using reason = ::eintr_reason;

/* As eintr_why(): the cause that stands on this thread, if any. */
[[nodiscard]] inline std::optional<reason> why() noexcept
{
    reason why;
    return eintr_why(&why) == 1 ? std::optional(why) : std::nullopt;
}

/* As eintr_take(). */
inline std::optional<reason> take() noexcept
{
    reason taken;
    return eintr_take(&taken) == 1 ? std::optional(taken) : std::nullopt;
}

class interrupted : public std::system_error {
  public:
    interrupted() : std::system_error(errc::interrupted), reason_(why().value_or(eintr::reason{})) {}
    /* Its kind is 0 if the cause stands no more. */
    const eintr::reason &reason() const noexcept { return reason_; }

  private:
    eintr::reason reason_;
};

class timed_out : public std::system_error {
  public:
    timed_out() : std::system_error(errc::timed_out) {}
};

[[noreturn]] inline void fail(std::error_code error)
{
    if (error == errc::interrupted)
        throw interrupted();
    throw std::system_error(error);
}

/* The result of a function of eintr.h, if it has not failed. */
template <class T> std::enable_if_t<std::is_integral_v<T>, T> check(T result)
{
    if (result == static_cast<T>(-1))
        fail(last_error());
    return result;
}

template <class Handle> auto check(Handle handle) -> std::enable_if_t<sizeof handle.id != 0, Handle>
{
    if (handle.id == 0)
        fail(last_error());
    return handle;
}

/* The same, without exceptions. */
template <class T> std::enable_if_t<std::is_integral_v<T>, T> check(T result, std::error_code &error) noexcept
{
    error = result == static_cast<T>(-1) ? last_error() : std::error_code();
    return result;
}

/* Throws if the thread is interrupted. */
inline void checkpoint()
{
    check(eintr_checkpoint());
}

inline void checkpoint(std::error_code &error) noexcept
{
    check(eintr_checkpoint(), error);
}

[[nodiscard]] inline bool is_interrupted() noexcept
{
    return eintr_is_interrupted() == 1;
}

namespace detail {

/* As poll(2) has it: rounded up, and for ever where that is too long. */
template <class Rep, class Period> int milliseconds(std::chrono::duration<Rep, Period> time)
{
    using ms = std::chrono::duration<double, std::milli>;
    if (ms(time) >= ms(INT_MAX))
        return -1;
    return time < time.zero() ? 0 : static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(time).count());
}

/* A stretch of a thread. It cannot be moved, for it ends where it began. */
template <int (*end)(eintr_scope)> class stretch {
  public:
    stretch(const stretch &) = delete;
    stretch &operator=(const stretch &) = delete;

  protected:
    explicit stretch(eintr_scope begun) : scope(check(begun)) {}
    ~stretch()
    {
        if (scope.id != 0) {
            [[maybe_unused]] int ended = end(scope);
            assert(ended >= 0); /* else it goes out of turn, or on another thread */
        }
    }
    eintr_scope scope;
};

} // namespace detail

/* ---- Tasks and asking ------------------------------------------------------------------------------------------ */

enum class outcome {
    raised = EINTR_RAISED,
    finished = EINTR_FINISHED,
    not_started = EINTR_NOT_STARTED,
    masked = EINTR_MASKED,
    stuck = EINTR_STUCK,
    undeliverable = EINTR_UNDELIVERABLE
};

/* Who asks. Can be copied, and used from any thread. */
class interrupter {
  public:
    explicit interrupter(eintr_interrupter owned) : handle_(check(owned)) {}
    interrupter(const interrupter &other) : handle_(check(eintr_interrupter_clone(other.handle_))) {}
    interrupter(interrupter &&other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    interrupter &operator=(interrupter other) noexcept
    {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~interrupter()
    {
        if (handle_.id != 0)
            eintr_interrupter_free(handle_);
    }

    /* That of the innermost task on this thread. */
    [[nodiscard]] static interrupter current() { return interrupter(eintr_current()); }

    class request {
      public:
        /* What becomes of it, with a limit. */
        template <class Rep, class Period>
        [[nodiscard]] outcome wait_for(std::chrono::duration<Rep, Period> limit) const
        {
            return static_cast<outcome>(check(eintr_wait(handle_, id_, detail::milliseconds(limit))));
        }

      private:
        friend class interrupter;
        request(eintr_interrupter handle, int64_t id) : handle_(handle), id_(check(id)) {}
        eintr_interrupter handle_;
        int64_t id_;
    };

    /* A request is good for as long as the interrupter is. */
    request interrupt() const { return {handle_, eintr_interrupt(handle_)}; }
    request interrupt(int code, const char *text = nullptr) const
    {
        return {handle_, eintr_interrupt_with(handle_, code, text)};
    }
    [[nodiscard]] bool is_finished() const { return check(eintr_is_finished(handle_)) == 1; }
    /* Whether it has ended by then. */
    template <class Rep, class Period>
    [[nodiscard]] bool wait_finished_for(std::chrono::duration<Rep, Period> limit) const
    {
        if (eintr_wait_finished(handle_, detail::milliseconds(limit)) == 0)
            return true;
        return errno == ETIMEDOUT ? false : (fail(last_error()), false);
    }
    [[nodiscard]] std::optional<reason> raised() const
    {
        eintr::reason last;
        return check(eintr_raised(handle_, &last)) == 1 ? std::optional(last) : std::nullopt;
    }
    /* Where the task is. */
    [[nodiscard]] std::string report() const
    {
        char line[1024];
        auto length = static_cast<size_t>(check(eintr_report(handle_, line, sizeof line)));
        return std::string(line, length < sizeof line ? length : sizeof line - 1);
    }
    eintr_interrupter handle() const noexcept { return handle_; }

  private:
    eintr_interrupter handle_;
};

/* What can be interrupted: to be run by one thread, once. Given up if it is not. */
class task {
  public:
    EINTR_NODISCARD_OBJECT explicit task(const char *name = nullptr, unsigned flags = 0)
        : handle_(check(eintr_task_new(name, flags)))
    {
    }
    task(task &&other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    task &operator=(task &&other) noexcept
    {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~task()
    {
        if (handle_.id != 0)
            eintr_task_free(handle_);
    }

    [[nodiscard]] eintr::interrupter interrupter() const { return eintr::interrupter(eintr_task_interrupter(handle_)); }
    eintr_task handle() const noexcept { return handle_; }
    /* It is the caller's from now on. */
    [[nodiscard]] eintr_task release() noexcept { return std::exchange(handle_, {}); }

  private:
    eintr_task handle_;
};

/* A task that runs here: from here to the end of this. */
class running {
  public:
    EINTR_NODISCARD_OBJECT explicit running(task &task) : handle_(task.handle())
    {
        check(eintr_task_begin(handle_));
        (void)task.release();
    }
    EINTR_NODISCARD_OBJECT explicit running(task &&task) : running(task) {}
    EINTR_NODISCARD_OBJECT explicit running(const char *name = nullptr, unsigned flags = 0) : running(task(name, flags)) {}
    running(const running &) = delete;
    running &operator=(const running &) = delete;
    ~running()
    {
        [[maybe_unused]] int ended = eintr_task_end(handle_);
        assert(ended == 0); /* else it goes out of turn, or on another thread */
    }

  private:
    eintr_task handle_;
};

/* ---- Stretches of a thread ------------------------------------------------------------------------------------- */

/* Causes from outside wait until it ends. */
class mask : detail::stretch<eintr_mask_end> {
  public:
    EINTR_NODISCARD_OBJECT mask() : stretch(eintr_mask_begin()) {}
};

/* As eintr_reach_begin(). */
class reach : detail::stretch<eintr_reach_end> {
  public:
    EINTR_NODISCARD_OBJECT explicit reach(int on) : stretch(eintr_reach_begin(on)) {}
};

enum class ended { in_time = EINTR_IN_TIME, expired = EINTR_EXPIRED, cut_short = EINTR_CUT_SHORT };

/* So much time until it ends. */
class timeout : detail::stretch<eintr_timeout_end> {
  public:
    template <class Rep, class Period>
    EINTR_NODISCARD_OBJECT explicit timeout(std::chrono::duration<Rep, Period> limit)
        : stretch(eintr_timeout_begin(detail::milliseconds(limit)))
    {
    }
    /* Ends it, and tells what became of it. Once. */
    ended end()
    {
        ended how = static_cast<ended>(check(eintr_timeout_end(scope)));
        scope = {};
        return how;
    }
};

/* Runs f with a limit: an exception that has come of it is thrown as timed_out. */
template <class Rep, class Period, class F> decltype(auto) within(std::chrono::duration<Rep, Period> limit, F &&f)
{
    timeout here(limit);
    try {
        return std::invoke(std::forward<F>(f));
    } catch (const std::exception &) {
        if (here.end() == ended::cut_short)
            throw timed_out();
        throw;
    }
}

/* Runs wake() when this thread is interrupted, as eintr_hook_begin() says: from elsewhere; what it throws ends the program. */
class hook {
    using function = std::function<void()>;
    struct begun : detail::stretch<eintr_hook_end> {
        explicit begun(function *wake) : stretch(eintr_hook_begin(*wake ? call : nullptr, wake)) {}
        static void call(void *wake) noexcept { (*static_cast<function *>(wake))(); }
    };
    function wake_;
    begun begun_; /* ends first */

  public:
    EINTR_NODISCARD_OBJECT explicit hook(function wake) : wake_(std::move(wake)), begun_(&wake_) {}
};

/* Signals to the process that interrupt a task, until it goes. */
class interrupt_on {
  public:
    EINTR_NODISCARD_OBJECT interrupt_on(const interrupter &who, std::initializer_list<int> signals)
        : registration_(check(eintr_interrupt_on(who.handle(), signals.begin(), signals.size())))
    {
    }
    interrupt_on(const interrupt_on &) = delete;
    interrupt_on &operator=(const interrupt_on &) = delete;
    ~interrupt_on() { eintr_interrupt_off(registration_); }

  private:
    eintr_scope registration_;
};

/* ---- std::stop_token, both ways -------------------------------------------------------------------------------- */

#ifdef __cpp_lib_jthread

/* A stop that is requested interrupts the task; also one that was requested before. */
class interrupt_on_stop {
    struct call {
        interrupter who;
        void operator()() const noexcept { eintr_interrupt(who.handle()); }
    };
    std::stop_callback<call> callback_;

  public:
    /* By default, the innermost task of this thread. */
    EINTR_NODISCARD_OBJECT explicit interrupt_on_stop(const std::stop_token &token, interrupter who = interrupter::current())
        : callback_(token, call{std::move(who)})
    {
    }
};

/* An interrupt of this thread requests a stop, for what waits by a token: std::condition_variable_any. Until its end. */
class stop_on_interrupt {
    std::stop_source source_;
    hook hook_{[this] { source_.request_stop(); }};

  public:
    EINTR_NODISCARD_OBJECT stop_on_interrupt() {}
    std::stop_token get_token() const noexcept { return source_.get_token(); }
};

#endif

} // namespace eintr

#endif
