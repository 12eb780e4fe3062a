"""Each call, with the recipe that circulates and with ThreadWithExc: the first stays stuck, the second returns.

    python3 table.py        # exits with 0 if nothing is stuck in the second column

A thread is put into the call. Once the kernel shows it asleep there, an exception is raised in it: by
PyThreadState_SetAsyncExc alone, and by raise_exc. `stuck` means that it still sleeps in the same call after a while; then
the call is let go, and the exception comes. Of the second column it is also asked that the thread saw that exception and
nothing else, once, and that it can wait again afterwards.
"""

import concurrent.futures
import contextlib
import ctypes
import fcntl
import os
import pty
import queue
import select
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from eintr import ThreadWithExc

STUCK_AFTER = 0.2
LIMIT = 30


class Asked(Exception):
    """What is raised."""


class Recipe(threading.Thread):
    """The forum's class, as it stands there."""

    def raise_exc(self, exctype):
        if not isinstance(exctype, type):
            raise TypeError("Only types can be raised (not instances)")
        res = ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident), ctypes.py_object(exctype))
        if res == 0:
            raise ValueError("invalid thread id")
        elif res != 1:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident), None)
            raise SystemError("PyThreadState_SetAsyncExc failed")


# ---- The calls: each makes what it needs, and returns the call and what lets it go -------------------------------------


def pipe(stack):
    reader, writer = os.pipe()
    stack.callback(os.close, reader)
    closing = stack.enter_context(contextlib.ExitStack())
    closing.callback(os.close, writer)
    return reader, closing.close


def listener(stack):
    sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return sock, lambda: stack.enter_context(socket.create_connection(sock.getsockname()))


def pair(stack):
    here, there = socket.socketpair()
    stack.enter_context(here)
    stack.enter_context(there)
    return here, there


def child(stack):
    process = subprocess.Popen(["sleep", "1000"])
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def folder(stack):
    return stack.enter_context(tempfile.TemporaryDirectory())


def time_sleep(stack):
    return lambda: time.sleep(2), lambda: None


def select_select(stack):
    fd, let_go = pipe(stack)
    return lambda: select.select([fd], [], []), let_go


def select_poll(stack):
    fd, let_go = pipe(stack)
    poll = select.poll()
    poll.register(fd)
    return poll.poll, let_go


def select_epoll(stack):
    fd, let_go = pipe(stack)
    epoll = stack.enter_context(select.epoll())
    epoll.register(fd)
    return epoll.poll, let_go


def selectors_select(stack):
    fd, let_go = pipe(stack)
    selector = stack.enter_context(selectors.DefaultSelector())
    selector.register(fd, selectors.EVENT_READ)
    return selector.select, let_go


def socket_accept(stack):
    sock, connect = listener(stack)
    return lambda: stack.enter_context(sock.accept()[0]), connect


def accept_with_timeout(stack):
    sock, connect = listener(stack)
    sock.settimeout(1000)
    return lambda: stack.enter_context(sock.accept()[0]), connect


def socket_recv(stack):
    here, there = pair(stack)
    return lambda: here.recv(1), lambda: there.send(b"x")


def recv_with_timeout(stack):
    here, there = pair(stack)
    here.settimeout(1000)
    return lambda: here.recv(1), lambda: there.send(b"x")


def handshake_with_timeout(stack):
    here, there = pair(stack)
    here.settimeout(1000)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # It polls, and does not look at what poll says.
    client = stack.enter_context(context.wrap_socket(here, do_handshake_on_connect=False))
    return client.do_handshake, there.close


def recv_into_makefile(stack):
    here, there = pair(stack)
    stream = stack.enter_context(here.makefile())
    return stream.readline, lambda: there.send(b"x\n")


def socket_sendall(stack):
    here, there = pair(stack)
    return lambda: here.sendall(bytes(1 << 24)), lambda: there.close()


def os_read(stack):
    fd, let_go = pipe(stack)
    return lambda: os.read(fd, 1), let_go


def file_readline(stack):
    fd, let_go = pipe(stack)
    stream = stack.enter_context(os.fdopen(os.dup(fd)))
    return stream.readline, let_go


def open_fifo(stack):
    path = os.path.join(folder(stack), "fifo")
    os.mkfifo(path)
    return lambda: os.close(os.open(path, os.O_RDONLY)), lambda: os.close(os.open(path, os.O_RDWR))


def input_from_a_pipe(stack):
    fd, let_go = pipe(stack)
    before, sys.stdin = sys.stdin, stack.enter_context(os.fdopen(os.dup(fd)))
    stack.callback(setattr, sys, "stdin", before)
    return input, let_go


def input_at_a_terminal(stack):
    controller, terminal = pty.openpty()
    stack.callback(os.close, controller)
    # The C library's stdin, on the interpreter's own descriptors.
    for number, stream in enumerate((sys.__stdin__, sys.__stdout__)):
        before = os.dup(number)
        stream.flush() if number else None
        os.dup2(terminal, number)
        stack.callback(os.close, before)
        stack.callback(os.dup2, before, number)
    os.close(terminal)
    return input, lambda: os.write(controller, b"\n")


def flock(stack):
    path = os.path.join(folder(stack), "lock")
    held = stack.enter_context(open(path, "w"))
    wanted = stack.enter_context(open(path, "w"))
    fcntl.flock(held, fcntl.LOCK_EX)
    return lambda: fcntl.flock(wanted, fcntl.LOCK_EX), lambda: fcntl.flock(held, fcntl.LOCK_UN)


def subprocess_wait(stack):
    process = child(stack)
    return process.wait, process.kill


def subprocess_run(stack):
    fd, let_go = pipe(stack)
    return lambda: subprocess.run(["cat"], stdin=fd, stdout=subprocess.PIPE), let_go


def os_waitpid(stack):
    process = child(stack)
    return lambda: os.waitpid(process.pid, 0), process.kill


def signal_sigwait(stack):
    fd, _ = pipe(stack)
    waiting = []

    def call():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        waiting.append(threading.get_ident())
        signal.sigwait({signal.SIGHUP})

    return call, lambda: signal.pthread_kill(waiting[0], signal.SIGHUP)


def queue_get(stack):
    jobs = queue.Queue()
    return jobs.get, lambda: jobs.put(1)


def queue_put(stack):
    jobs = queue.Queue(maxsize=1)
    jobs.put(1)
    return lambda: jobs.put(2), jobs.get


def event_wait(stack):
    event = threading.Event()
    return event.wait, event.set


def condition_wait_with_timeout(stack):
    condition = threading.Condition()

    def call():
        with condition:
            condition.wait(1000)

    def let_go():
        with condition:
            condition.notify()

    return call, let_go


def semaphore(stack):
    semaphore = threading.Semaphore(0)
    return semaphore.acquire, semaphore.release


def future_result(stack):
    future = concurrent.futures.Future()
    return future.result, lambda: future.set_result(1)


CALLS = [
    ("time.sleep", time_sleep),
    ("select.select", select_select),
    ("select.poll", select_poll),
    ("select.epoll", select_epoll),
    ("selectors.DefaultSelector.select", selectors_select),
    ("socket.accept", socket_accept),
    ("socket.accept, with a timeout", accept_with_timeout),
    ("socket.recv", socket_recv),
    ("socket.recv, with a timeout", recv_with_timeout),
    ("ssl.SSLSocket.do_handshake, with a timeout", handshake_with_timeout),
    ("socket.makefile().readline", recv_into_makefile),
    ("socket.sendall", socket_sendall),
    ("os.read of a pipe", os_read),
    ("file.readline of a pipe", file_readline),
    ("open of a FIFO", open_fifo),
    ("input() from a pipe", input_from_a_pipe),
    ("input() at a terminal", input_at_a_terminal),
    ("fcntl.flock", flock),
    ("subprocess.Popen.wait", subprocess_wait),
    ("subprocess.run", subprocess_run),
    ("os.waitpid", os_waitpid),
    ("signal.sigwait", signal_sigwait),
    ("queue.Queue.get", queue_get),
    ("queue.Queue.put", queue_put),
    ("threading.Event.wait", event_wait),
    ("threading.Condition.wait, with a timeout", condition_wait_with_timeout),
    ("threading.Semaphore.acquire", semaphore),
    ("concurrent.futures.Future.result", future_result),
]


def plain_lock(stack):
    lock = threading.Lock()
    lock.acquire()
    return lock.acquire, lock.release


def thread_join(stack):
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    return other.join, end.set


def simple_queue_get(stack):
    jobs = queue.SimpleQueue()
    return jobs.get, lambda: jobs.put(1)


# A lock's wait is not broken: whoever holds it would give it to a thread that has left. The exception waits.
NOT_WOKEN = [
    ("threading.Lock.acquire", plain_lock),
    ("threading.Thread.join", thread_join),
    ("queue.SimpleQueue.get", simple_queue_get),
]


# ---- The trial -----------------------------------------------------------------------------------------------------------


def put_into(kind, call):
    """A thread that makes the call, and what it sees."""
    seen = []

    def body():
        try:
            try:
                seen.append("begun")
                call()
                seen.append("came back")
                # The recipe's exception may still be on its way.
                for _ in range(1000):
                    pass
            except OSError as error:
                seen.append(repr(error))
        except Asked:
            seen.append("asked")
        reader, writer = os.pipe()
        threading.Timer(0.001, os.close, (writer,)).start()
        try:
            os.read(reader, 1)
            time.sleep(0.001)
        except BaseException as error:
            seen.append(f"afterwards: {error!r}")
        os.close(reader)

    thread = kind(target=body, daemon=True)
    thread.start()
    return thread, seen


def asleep_in(thread):
    """Where the kernel shows it asleep: number, arguments, stack, counter; none if it is not."""
    try:
        with open(f"/proc/self/task/{thread.native_id}/stat") as file:
            state = file.read().rsplit(") ", 1)[1][0]
        with open(f"/proc/self/task/{thread.native_id}/syscall") as file:
            return file.read() if state == "S" else None
    except OSError:
        return None


def wait_until_asleep(thread, seen):
    """In one place, while it could run: it does not wait for the interpreter."""
    begun, same, last = time.monotonic(), 0, None
    while same < 5:
        now = asleep_in(thread)
        same = same + 1 if now is not None and now == last and seen else 0
        last = now
        time.sleep(0.002)
        if time.monotonic() - begun > LIMIT:
            raise SystemExit(f"{thread.name} never fell asleep: {now}")
    return last


def plain(make):
    with contextlib.ExitStack() as stack:
        call, let_go = make(stack)
        thread, seen = put_into(Recipe, call)
        where = wait_until_asleep(thread, seen)
        thread.raise_exc(Asked)
        thread.join(STUCK_AFTER)
        stuck = thread.is_alive() and asleep_in(thread) == where
        let_go()
        thread.join(LIMIT)
        if thread.is_alive():
            raise SystemExit("it was let go, and did not end")
    return "stuck" if stuck else " ".join(seen[1:])


def ours(make):
    with contextlib.ExitStack() as stack:
        call, let_go = make(stack)
        thread, seen = put_into(ThreadWithExc, call)
        wait_until_asleep(thread, seen)
        asked = time.monotonic()
        caught = thread.raise_exc(Asked).wait_caught(LIMIT)
        took = time.monotonic() - asked
        if not caught:
            sys.__stderr__.write(f"{thread.report()}\n")
            let_go()
        thread.join(LIMIT)
        if thread.is_alive():
            raise SystemExit(f"it was asked and did not end: {thread.report()}")
    if not caught:
        return "stuck"
    return f"{took * 1000:.1f} ms" if seen == ["begun", "asked"] else " ".join(seen[1:])


def waits(make):
    with contextlib.ExitStack() as stack:
        call, let_go = make(stack)
        thread, seen = put_into(ThreadWithExc, call)
        wait_until_asleep(thread, seen)
        raising = thread.raise_exc(Asked)
        early = raising.wait_caught(STUCK_AFTER)
        let_go()
        late = raising.wait_caught(LIMIT)
        thread.join(LIMIT)
    return "at once" if early else "when the wait is over" if late and seen == ["begun", "asked"] else f"? {seen}"


def main():
    version = sys.version.split()[0]
    print(f"| CPython {version} | the recipe | ThreadWithExc |\n|---|---|---|")
    failed = 0
    for name, make in CALLS:
        before, after = plain(make), ours(make)
        failed += not after.endswith(" ms")
        print(f"| {name} | {before} | {after} |", flush=True)
    print("\n| not woken | ThreadWithExc raises |\n|---|---|")
    for name, make in NOT_WOKEN:
        print(f"| {name} | {waits(make)} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
