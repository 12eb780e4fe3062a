"""The peers: servers that run beside the table, on this machine, and are asked for what does not come."""

import contextlib
import glob
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

PACKAGES = {"initdb": "postgresql", "redis-server": "redis-server", "openssl": "openssl"}
"""Debian's, by what they bring."""


def program(name):
    """Where it is; None if it is not here."""
    return shutil.which(name) or max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), default=None)


def install():
    """By apt-get, what is not here."""
    missing = sorted({package for name, package in PACKAGES.items() if program(name) is None})
    if missing:
        root = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*root, "apt-get", "update", "-qq"], check=True)
        command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        subprocess.run([*root, *command, *missing], check=True, stdout=subprocess.DEVNULL)


def silent():
    """A listener whose clients are never accepted."""
    return socket.create_server(("127.0.0.1", 0))


def https():
    """Where the HTTPS server is."""
    return "127.0.0.1", int(os.environ["PEER_HTTPS"])


@contextlib.contextmanager
def running():
    """The environment that tells where they are."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        os.chmod(folder, 0o755)
        environment = {}
        for start in (_postgresql, _redis, _https):
            environment.update(start(stack, folder))
        yield environment


def _end(process):
    process.terminate()
    process.wait()


def _wait_for(path, process):
    end = time.monotonic() + 60
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"{process.args} has not begun")
        time.sleep(0.01)


def _postgresql(stack, folder):
    home = os.path.join(folder, "postgresql")
    os.mkdir(home)
    other = []
    if os.geteuid() == 0:  # it does not run as root
        shutil.chown(home, "postgres")
        other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = os.path.join(home, "data")
    initdb = [program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-N"]
    subprocess.run([*other, *initdb], check=True, stdout=subprocess.DEVNULL, cwd=home)
    server = [program("postgres"), "-D", data, "-k", home, "-c", "listen_addresses=", "-c", "max_connections=200"]
    process = subprocess.Popen([*other, *server], cwd=home, stderr=subprocess.DEVNULL)
    stack.callback(_end, process)
    stack.callback(process.send_signal, 3)  # at once
    _wait_for(os.path.join(home, ".s.PGSQL.5432"), process)
    return {"PEER_POSTGRESQL": f"host={home} user=postgres dbname=postgres"}


def _redis(stack, folder):
    path = os.path.join(folder, "redis")
    command = [program("redis-server"), "--port", "0", "--unixsocket", path, "--save", ""]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    stack.callback(_end, process)
    _wait_for(path, process)
    return {"PEER_REDIS": path}


def certificate(folder):
    """Where a certificate for localhost is, with its key."""
    path = os.path.join(folder, "certificate.pem")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run([*command.split(), "-keyout", path, "-out", path + ".public"], check=True, capture_output=True)
    with open(path, "a") as both, open(path + ".public") as public:
        both.write(public.read())
    return path


def stalls(path):
    """An HTTPS server that shakes hands and reads; then it answers nothing, or of /half the first half. Its listener."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    listener = silent()

    def serve(connection):
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as stream:
            if stream.recv(10000).startswith(b"GET /half"):
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1")
            while stream.recv(1):
                pass

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def _https(stack, folder):
    path = certificate(folder)
    listener = stalls(path)
    stack.callback(listener.close)
    return {"PEER_HTTPS": str(listener.getsockname()[1]), "PEER_HTTPS_CERTIFICATE": path + ".public"}
