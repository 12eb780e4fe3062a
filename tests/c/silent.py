"""Runs a program beside a name server that says nothing: it must give up by itself, long before the resolver does (after 10 s)."""

import fcntl
import socket
import struct
import subprocess
import sys

SIOCSIFFLAGS, IFF_UP = 0x8914, 1
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(server, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
server.bind(("127.0.0.1", 53))
ended = subprocess.run(sys.argv[1:], stderr=subprocess.PIPE, text=True, timeout=60)
assert ended.returncode == 1 and "time" in ended.stderr, ended
server.setblocking(False)
assert server.recv(512), "it was asked"
