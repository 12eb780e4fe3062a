"""An HTTP server whose handlers have so much time, whatever they wait for."""

import http.server
import threading
import time
import urllib.error
import urllib.request

import eintr

LIMIT = 0.2


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with eintr.timeout(LIMIT):
                if self.path == "/slow":
                    time.sleep(1000)
                status, body = 200, b"done"
        except eintr.TimeoutError as error:
            status, body = 504, str(error).encode()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever).start()
    for path in ("/fast", "/slow"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}") as answer:
                print(path, answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                print(path, error.code, error.read().decode())
    server.shutdown()
