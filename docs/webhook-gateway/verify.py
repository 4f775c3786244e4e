"""Verifies a signed delivery of webhook-gateway (Standard Webhooks 1.0) with nothing but Python's own library.

As a program it is a receiver to try things with: WEBHOOK_SECRET=whsec_… python3 verify.py 3000
"""

import base64
import hashlib
import hmac
import time

TOLERANCE = 5 * 60  # seconds; older deliveries may be repetitions by a stranger


def verify(secrets: str, headers, body: bytes, now: float | None = None) -> str:
    """Returns the event's id, or raises ValueError. `headers` is a mapping with names in lower case, `body` the bytes as
    they came, `secrets` one secret or several with spaces between."""
    event_id, timestamp = headers.get("webhook-id"), headers.get("webhook-timestamp")
    if not event_id or not timestamp or not timestamp.isdecimal():
        raise ValueError("webhook-id and webhook-timestamp are needed")
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE:
        raise ValueError("the delivery is too old, or a clock is wrong")
    signed = f"{event_id}.{timestamp}.".encode() + body
    given = [
        signature.removeprefix("v1,")
        for signature in headers.get("webhook-signature", "").split()
        if signature.startswith("v1,")
    ]
    for secret in secrets.split():
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        if any(hmac.compare_digest(expected.encode(), one.encode()) for one in given):
            return event_id
    raise ValueError("no signature is right")


def receive(port: int, secrets: str) -> None:
    """Answers 204 to what is signed and 401 to everything else."""
    import json
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Receiver(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                event_id = verify(secrets, headers, body)
            except ValueError as error:
                print(f"refused: {error}", flush=True)
                self.answer(401)
                return
            # Here a real receiver stores the event under its id, or sees that it has it already.
            event = json.loads(body)
            print(f"verified {event_id} {event['type']} {event.get('subject', '')}", flush=True)
            self.answer(204)

        def answer(self, status):
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()


if __name__ == "__main__":
    import os
    import sys

    receive(int(sys.argv[1]), os.environ["WEBHOOK_SECRET"])
