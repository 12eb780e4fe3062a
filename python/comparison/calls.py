"""The calls: each makes what it needs, and returns the call. None ends by itself."""

import concurrent.futures
import contextlib
import contextlib
import ctypes
import fcntl
import functools
import hashlib
import http.server
import multiprocessing
import os
import pty
import queue
import select
import selectors
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import typing
import urllib.request

from . import peers

LONG = 1000
"""Seconds."""


class Call(typing.NamedTuple):
    name: str
    make: typing.Callable
    computes: bool
    """Whether it computes, and does not wait."""
    stuck: tuple
    """Where even we do not end it: "any", "main"."""
    told: str
    """The words of the README that tell it."""


CALLS = {}


def call(name, computes=False, stuck=(), told=""):
    def enter(make):
        CALLS[name] = Call(name, make, computes, stuck, told)
        return make

    return enter


def fork():
    return multiprocessing.get_context("fork")


# ---- Time, and what is ready ---------------------------------------------------------------------------------------------


@call("time.sleep")
def _(stack):
    return functools.partial(time.sleep, LONG)


@call("select.select")
def _(stack):
    reader, _ = os.pipe()
    return lambda: select.select([reader], [], [])


@call("select.poll")
def _(stack):
    poll = select.poll()
    poll.register(os.pipe()[0])
    return poll.poll


@call("select.epoll")
def _(stack):
    epoll = select.epoll()
    epoll.register(os.pipe()[0])
    return epoll.poll


@call("selectors.DefaultSelector.select, with a timeout")
def _(stack):
    selector = selectors.DefaultSelector()
    selector.register(os.pipe()[0], selectors.EVENT_READ)
    return functools.partial(selector.select, LONG)


@call("asyncio.run")
def _(stack):
    import asyncio

    return lambda: asyncio.run(asyncio.sleep(LONG))


# ---- Sockets -------------------------------------------------------------------------------------------------------------


@call("socket.accept")
def _(stack):
    return peers.silent().accept


@call("socket.accept, with a timeout")
def _(stack):
    listener = peers.silent()
    listener.settimeout(LONG)
    return listener.accept


@call("socket.recv")
def _(stack):
    here, stack.there = socket.socketpair()
    return lambda: here.recv(1)


@call("socket.recv, with a timeout")
def _(stack):
    here, stack.there = socket.socketpair()
    here.settimeout(LONG)
    return lambda: here.recv(1)


@call("socket.sendall")
def _(stack):
    here, stack.there = socket.socketpair()
    return lambda: here.sendall(bytes(1 << 24))


@call("socket.makefile().readline")
def _(stack):
    here, stack.there = socket.socketpair()
    return here.makefile().readline


@call("http.server: serve_forever")
def _(stack):
    return http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler).serve_forever


# ---- HTTPS ---------------------------------------------------------------------------------------------------------------


def trusting():
    return ssl.create_default_context(cafile=os.environ["PEER_HTTPS_CERTIFICATE"])


@call("ssl: handshake, with a timeout")
def _(stack):
    stack.listener = peers.silent()
    connection = socket.create_connection(stack.listener.getsockname(), timeout=LONG)
    return trusting().wrap_socket(connection, server_hostname="localhost", do_handshake_on_connect=False).do_handshake


@call("ssl: recv, with a timeout")
def _(stack):
    connection = socket.create_connection(peers.https(), timeout=LONG)
    stream = trusting().wrap_socket(connection, server_hostname="localhost")
    return lambda: stream.recv(1)


@call("urllib: https, the handshake stalls")
def _(stack):
    stack.listener = peers.silent()
    url = "https://localhost:%d/" % stack.listener.getsockname()[1]
    return lambda: urllib.request.urlopen(url, timeout=LONG, context=trusting())


@call("urllib: https, the answer stalls")
def _(stack):
    url = "https://localhost:%d/" % peers.https()[1]
    return lambda: urllib.request.urlopen(url, timeout=LONG, context=trusting())


@call("requests: https, the handshake stalls")
def _(stack):
    import requests

    stack.listener = peers.silent()
    url = "https://localhost:%d/" % stack.listener.getsockname()[1]
    return lambda: requests.get(url, timeout=LONG)


@call("requests: https, the answer stalls")
def _(stack):
    import requests

    url, certificate = "https://localhost:%d/" % peers.https()[1], os.environ["PEER_HTTPS_CERTIFICATE"]
    return lambda: requests.get(url, timeout=LONG, verify=certificate)


@call("requests: https, the body stalls, and no timeout")
def _(stack):
    import requests

    url, certificate = "https://localhost:%d/half" % peers.https()[1], os.environ["PEER_HTTPS_CERTIFICATE"]
    return lambda: requests.get(url, verify=certificate)


# ---- Databases, and other servers ----------------------------------------------------------------------------------------


@call("psycopg: a query (PostgreSQL)")
def _(stack):
    import psycopg

    connection = psycopg.connect(os.environ["PEER_POSTGRESQL"])
    return lambda: connection.execute("select pg_sleep(%s)", (LONG,))


@call("psycopg: a lock (PostgreSQL)")
def _(stack):
    import psycopg

    stack.holder, connection = (psycopg.connect(os.environ["PEER_POSTGRESQL"]) for _ in range(2))
    key = os.getpid()
    stack.holder.execute("select pg_advisory_lock(%s)", (key,))
    return lambda: connection.execute("select pg_advisory_lock(%s)", (key,))


@call("psycopg: connect, to who does not answer")
def _(stack):
    import psycopg

    stack.listener = peers.silent()
    port = stack.listener.getsockname()[1]
    return lambda: psycopg.connect(f"host=127.0.0.1 port={port} user=nobody")


@call("redis: BLPOP")
def _(stack):
    import redis

    client = redis.Redis(unix_socket_path=os.environ["PEER_REDIS"])
    return lambda: client.blpop("nothing")


@call("redis: pubsub.listen")
def _(stack):
    import redis

    messages = redis.Redis(unix_socket_path=os.environ["PEER_REDIS"]).pubsub()
    messages.subscribe("nothing")
    return lambda: list(messages.listen())


@call("sqlite3: busy, with a timeout")
def _(stack):
    path = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "database")
    stack.holder = sqlite3.connect(path, isolation_level=None)
    stack.holder.execute("begin immediate")
    connection = sqlite3.connect(path, timeout=LONG, isolation_level=None, check_same_thread=False)
    return lambda: connection.execute("begin immediate")


@call("grpc: method(request)", stuck=("any",), told="gRPC's plain calls")
def _(stack):
    return functools.partial(grpc_method(stack), b"", wait_for_ready=True)


@call("grpc: method.future(request).result()")
def _(stack):
    method = grpc_method(stack)
    return lambda: method.future(b"", wait_for_ready=True).result()


def grpc_method(stack):
    import grpc

    stack.listener = peers.silent()
    return grpc.insecure_channel("127.0.0.1:%d" % stack.listener.getsockname()[1]).unary_unary("/a/b")


# ---- Files, terminals, processes -----------------------------------------------------------------------------------------


@call("os.read of a pipe")
def _(stack):
    reader, _ = os.pipe()
    return lambda: os.read(reader, 1)


@call("file.readline of a pipe")
def _(stack):
    return os.fdopen(os.pipe()[0]).readline


@call("open of a FIFO")
def _(stack):
    path = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "fifo")
    os.mkfifo(path)
    return lambda: os.open(path, os.O_RDONLY)


@call("os.read of a terminal")
def _(stack):
    _, terminal = pty.openpty()
    return lambda: os.read(terminal, 1)


@call("input() at a terminal")
def _(stack):
    _, terminal = pty.openpty()
    # The C library's stdin, on the interpreter's own descriptors.
    os.dup2(terminal, 0)
    os.dup2(terminal, 1)
    sys.stdin, sys.stdout = sys.__stdin__, sys.__stdout__
    return input


@call("fcntl.flock")
def _(stack):
    path = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "lock")
    stack.held, wanted = open(path, "w"), open(path, "w")
    fcntl.flock(stack.held, fcntl.LOCK_EX)
    return lambda: fcntl.flock(wanted, fcntl.LOCK_EX)


@call("subprocess.run")
def _(stack):
    return lambda: subprocess.run(["sleep", str(LONG)], capture_output=True)


@call("subprocess.Popen.wait")
def _(stack):
    return subprocess.Popen(["sleep", str(LONG)]).wait


@call("os.waitpid")
def _(stack):
    child = subprocess.Popen(["sleep", str(LONG)])
    return lambda: os.waitpid(child.pid, 0)


@call("signal.sigwait")
def _(stack):
    def waits():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        signal.sigwait({signal.SIGHUP})

    return waits


@call("ctypes: the C library's sleep")
def _(stack):
    return functools.partial(ctypes.CDLL(None).sleep, LONG)


# ---- Threads and processes that wait for each other ----------------------------------------------------------------------


@call("queue.Queue.get")
def _(stack):
    return queue.Queue().get


@call("queue.Queue.put")
def _(stack):
    jobs = queue.Queue(1)
    jobs.put(None)
    return lambda: jobs.put(None)


@call("threading.Event.wait")
def _(stack):
    return threading.Event().wait


@call("threading.Condition.wait, with a timeout")
def _(stack):
    condition = threading.Condition()

    def waits():
        with condition:
            condition.wait(LONG)

    return waits


@call("threading.Semaphore.acquire")
def _(stack):
    return threading.Semaphore(0).acquire


@call("concurrent.futures.Future.result")
def _(stack):
    return concurrent.futures.Future().result


@call("multiprocessing.Process.join")
def _(stack):
    child = fork().Process(target=time.sleep, args=(LONG,), daemon=True)
    child.start()
    return child.join


@call("multiprocessing.Queue.get")
def _(stack):
    return fork().Queue().get


@call("threading.Lock.acquire", stuck=("any",), told="a `Lock` or `RLock` that somebody else holds")
def _(stack):
    lock = threading.Lock()
    lock.acquire()
    return lock.acquire


@call("threading.RLock.acquire", stuck=("any",), told="a `Lock` or `RLock` that somebody else holds")
def _(stack):
    lock, held = threading.RLock(), threading.Event()
    threading.Thread(target=lambda: (lock.acquire(), held.set(), time.sleep(LONG)), daemon=True).start()
    held.wait()
    return lock.acquire


@call("threading.Thread.join", stuck=("any",), told="`Thread.join`")
def _(stack):
    other = threading.Thread(target=time.sleep, args=(LONG,), daemon=True)
    other.start()
    return other.join


@call("queue.SimpleQueue.get", stuck=("any",), told="`queue.SimpleQueue`")
def _(stack):
    return queue.SimpleQueue().get


@call("multiprocessing.Lock.acquire", stuck=("any",), told="multiprocessing's locks")
def _(stack):
    lock = fork().Lock()
    lock.acquire()
    return lock.acquire


@call("eintr.Lock.acquire")
def _(stack):
    import eintr

    lock = eintr.Lock()
    lock.acquire()
    return lock.acquire


@call("eintr.join of a plain thread")
def _(stack):
    import eintr

    other = threading.Thread(target=time.sleep, args=(LONG,), daemon=True)
    other.start()
    return lambda: eintr.join(other)


# ---- What computes -------------------------------------------------------------------------------------------------------


@call("a loop of Python's", computes=True)
def _(stack):
    def computes():
        while True:
            len("")

    return computes


@call("a client that tries again", computes=False)
def _(stack):
    """It swallows each Exception."""
    here, stack.there = socket.socketpair()

    def tries_again():
        while True:
            with contextlib.suppress(Exception):
                here.recv(1)

    return tries_again


@call("C code that computes", computes=True, stuck=("any", "main"), told="C code that computes")
def _(stack):
    return functools.partial(hashlib.pbkdf2_hmac, "sha256", b"", b"", 1 << 31 - 1)
