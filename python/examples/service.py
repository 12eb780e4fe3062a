"""A service that stops on SIGTERM: the main thread leaves accept, says goodbye to its clients, and waits for its workers."""

import os
import signal
import socket
import threading

import eintr

listener = socket.create_server(("127.0.0.1", 0))
pool = eintr.ThreadPoolExecutor(4)


def serve(connection):
    with connection:
        try:
            while data := connection.recv(100):
                connection.sendall(data)
        finally:
            connection.sendall(b"bye")


# Somebody who talks to it, and somebody who ends it.
def client():
    with socket.create_connection(listener.getsockname()) as connection:
        connection.sendall(b"hello ")
        said = connection.recv(100)
        os.kill(os.getpid(), signal.SIGTERM)
        while data := connection.recv(100):
            said += data
        print("the client was told:", said.decode())


talking = threading.Thread(target=client)
talking.start()

with eintr.interruptible("service") as service:
    signal.signal(signal.SIGTERM, lambda *_: service.interrupt(SystemExit))
    try:
        while True:
            pool.submit(serve, listener.accept()[0])
    except SystemExit:
        print("stops")
pool.shutdown(cancel_futures=True)
talking.join()
