"""orders: takes an order, reserves its item at inventory over plain HTTP. It knows nothing of brokers.

    INVENTORY_URL=http://… python3 orders.py PORT

POST /orders answers with what inventory said, word for word, and how long that took."""
import json
import os
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def reserve(order):
    """One ordinary HTTP call; any status is an answer."""
    request = urllib.request.Request(os.environ["INVENTORY_URL"] + "/reservations", order, method="POST",
                                     headers={"Content-Type": "application/json"})
    began = time.monotonic()
    try:
        answer = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        body = answer.read().decode()
        took = (time.monotonic() - began) * 1000
    return {"status": answer.status, "reason": answer.reason, "headers": list(answer.headers.items()),
            "body": body, "ms": round(took, 1)}


class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        order = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"inventory_said": reserve(order)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Orders).serve_forever()
