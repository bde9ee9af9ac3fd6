"""A local HTTP server that serves files well or badly."""

import contextlib
import http.server
import threading
import time

SLOW = 0.02  # seconds between the pieces of a slow answer


class Answer:
    """What the server does at one path: `answers` in turn, the last one again and again.

    An answer is the bytes to serve, a status such as 404, an address to redirect to, or a pair of one of the words
    "cut" (the connection ends at half), "short" (half of the bytes, as if they were all), "slow" and "stall", and the
    bytes.
    """

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = 0

    def next(self):
        self.requests += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextlib.contextmanager
def serve(paths):
    """Serves a dict from path to `Answer`; yields the address."""
    stopped = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer = paths[self.path].next() if self.path in paths else 404
            if isinstance(answer, int):
                self.send_error(answer)
            elif isinstance(answer, str):
                self.send_response(302)
                self.send_header("Location", answer)
                self.end_headers()
            else:
                self.send_file(*(("good", answer) if isinstance(answer, bytes) else answer))

        def send_file(self, way, content):
            half = content[: len(content) // 2]
            self.send_response(200)
            self.send_header("Content-Length", len(half if way == "short" else content))
            self.end_headers()
            if way in ("cut", "short", "stall"):
                self.wfile.write(half)
                self.wfile.flush()
                if way == "stall":
                    stopped.wait(20)
            elif way == "slow":
                for start in range(0, len(content), len(content) // 20 + 1):
                    self.wfile.write(content[start : start + len(content) // 20 + 1])
                    time.sleep(SLOW)
            else:
                self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
