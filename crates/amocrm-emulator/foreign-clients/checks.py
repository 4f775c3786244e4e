"""What the Python scripts share: the emulator's credentials, its control API, and one line per check for run.py."""

import http.server
import json
import os
import sys
import threading
import time
import traceback
import urllib.request

emulator = json.loads(os.environ["EMULATOR"])
host = f"{emulator['subdomain']}.amocrm.ru"


class check:
    """Runs one check and prints its line. Later checks go on after a failure."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is None:
            print(f"ok {self.what}", flush=True)
            return False
        if not isinstance(error, Exception):
            return False
        where = traceback.extract_tb(trace)[0].lineno
        text = " ".join(str(error).split())[:300]
        print(f"FAIL {self.what}: line {where}: {kind.__name__} {text}", flush=True)
        traceback.print_exception(error, file=sys.stderr)
        return True


def done():
    """Tells run.py that no check is missing."""
    print("done", flush=True)


def refused(kind, call, *arguments, **named):
    """The error of this class that the call must end with."""
    try:
        answer = call(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {answer!r}")


def control(method, path, body=None):
    """Calls the control API over plain HTTP, past proxies."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{emulator['base_url']}/_emulator/{path}", data=data, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def journal(since=0):
    """The requests the emulator saw since `since`."""
    return control("GET", f"requests?since={since}")["requests"]


def empty_window():
    """Waits until the sliding second of the rate limit is empty."""
    time.sleep(1.1)


class WebhookReceiver:
    """A server that keeps the webhooks it gets."""

    def __init__(self):
        bodies = self.bodies = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/amo"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
