#!/usr/bin/python3
"""Python's faulthandler has SIGUSR1, before us or after: it dumps what it is sent from outside, and a request arrives.

As src/lib.rs, whose words these are: MODE MILLISECONDS before|after.
"""

import ctypes
import errno
import faulthandler
import os
import signal
import sys
import tempfile
import threading
import time

mode, milliseconds, order = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with_us = mode != "without"
dumps = tempfile.TemporaryFile()
reader, _ = os.pipe()


def wrong(what):
    sys.stderr.write(what + "\n")
    sys.stderr.flush()
    os._exit(1)


def begin():
    global eintr
    eintr = ctypes.CDLL("target/company/lib/libeintr.so", use_errno=True)
    for name in "eintr_task_new", "eintr_task_interrupter":
        getattr(eintr, name).restype = ctypes.c_uint64
    eintr.eintr_interrupt.restype = ctypes.c_int64
    for name in "eintr_task_begin", "eintr_task_end", "eintr_task_interrupter", "eintr_interrupt":
        getattr(eintr, name).argtypes = [ctypes.c_uint64]
    task = eintr.eintr_task_new(None, 0)
    return task, eintr.eintr_task_interrupter(task)


def stuck(task):
    if eintr.eintr_task_begin(task):
        wrong("eintr_task_begin")
    # Python itself goes on after EINTR, and not after another error.
    try:
        os.read(reader, 1)
        wrong("a read of nothing")
    except OSError as error:
        if error.errno != errno.ECANCELED:
            raise
    eintr.eintr_take(None)
    eintr.eintr_task_end(task)


def dumped():
    return os.fstat(dumps.fileno()).st_size


def outside(times):
    for _ in range(times):
        before = dumped()
        os.kill(os.getpid(), signal.SIGUSR1)
        while dumped() == before:
            time.sleep(0.001)


def asked():
    task, interrupter = begin()
    thread = threading.Thread(target=stuck, args=(task,))
    thread.start()
    if mode != "idle":
        while thread.is_alive():
            eintr.eintr_interrupt(interrupter)
            time.sleep(0.001)
    else:
        time.sleep(0.01)
        eintr.eintr_interrupt(interrupter)
    thread.join()


if order == "after" and with_us:
    asked()
faulthandler.register(signal.SIGUSR1, file=dumps, all_threads=False, chain=False)
end = time.monotonic() + milliseconds / 1000
while True:
    outside(3)
    if with_us:
        asked()
    if time.monotonic() > end:
        break
