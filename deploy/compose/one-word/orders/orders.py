"""orders: takes an order and reserves its item at inventory, by an ordinary HTTP call. It knows of no broker."""
import json
import os
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def reserve(order, attempts=20):
    """One POST; any status is an answer. Nothing listening yet: the sidecar starts a moment later than we do."""
    request = urllib.request.Request(os.environ["INVENTORY_URL"] + "/reservations", order, method="POST",
                                     headers={
        "Content-Type": "application/json", "Order-Id": str(json.loads(order)["order"])})
    try:
        return urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as answer:
        return answer
    except urllib.error.URLError as problem:
        if attempts == 0 or not isinstance(problem.reason, ConnectionRefusedError):
            raise
    time.sleep(0.1)
    return reserve(order, attempts - 1)


class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        order = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with reserve(order) as answer:
            said = answer.read()
            saw = {"inventory": answer.status, **(json.loads(said) if said else {})}
        body = json.dumps(saw).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("", 8080), Orders).serve_forever()
