"""A worker that gives each job so much time, and stops at once when it is told to."""

import queue
import socket

import eintr

LIMIT = 0.2

listener = socket.create_server(("127.0.0.1", 0))
jobs = queue.Queue()


def work():
    while True:
        name, job = jobs.get()
        try:
            with eintr.timeout(LIMIT):
                print(name, "returned", job(), flush=True)
        except Exception as error:
            print(name, "failed:", error, flush=True)
        finally:
            jobs.task_done()


worker = eintr.Thread(target=work)
worker.start()
jobs.put(("sums up", lambda: sum(range(10))))
jobs.put(("waits for nobody", listener.accept))
jobs.put(("divides", lambda: 1 / 0))
jobs.join()
worker.interrupt()  # it waits in jobs.get()
worker.join()
print("the worker has ended")
