"""A service that stops on SIGTERM: the main thread leaves accept, the workers say goodbye to their clients, and it ends."""

import os
import signal
import socket
import threading

import eintr

listener = socket.create_server(("127.0.0.1", 0))
# Before there are threads. A handler of Python's would not do: what comes just before accept is told when that returns.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
pool = eintr.ThreadPoolExecutor(4)


def serve(connection):
    with connection:
        try:
            while data := connection.recv(100):
                connection.sendall(data)
        finally:
            connection.sendall(b"bye")


def stop(service):
    signal.sigwait({signal.SIGTERM})
    service.interrupt(SystemExit)


# Somebody who talks to it, and somebody who ends it.
def client():
    with socket.create_connection(listener.getsockname()) as connection:
        connection.sendall(b"hello ")
        said = connection.recv(100)
        os.kill(os.getpid(), signal.SIGTERM)
        while data := connection.recv(100):
            said += data
        print("the client was told:", said.decode(), flush=True)


talking = threading.Thread(target=client)
talking.start()

try:
    with eintr.interruptible("service") as service:
        threading.Thread(target=stop, args=(service,), daemon=True).start()
        while True:
            pool.submit(serve, listener.accept()[0])
except SystemExit:
    print("stops", flush=True)
pool.shutdown(cancel_futures=True)
talking.join()
