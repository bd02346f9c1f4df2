"""inventory, and later analytics: keeps the reservations that it is POSTed. It knows nothing of brokers.

    python3 receiver.py PORT

POST /reservations makes one, GET /reservations lists all since its start."""
import itertools
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

reservations = []
numbers = itertools.count(1)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        order = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reservation = {"reservation": next(numbers), **json.loads(order)}
        reservations.append({"order": order.decode(), "headers": self.headers.items()})
        self._answer(201, reservation)

    def do_GET(self):
        self._answer(200, reservations)

    def _answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
