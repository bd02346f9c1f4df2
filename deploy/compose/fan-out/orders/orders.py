"""orders: takes an order and says so to whoever wants to know, by one ordinary HTTP POST. It knows of no broker."""
import json
import os
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def tell(order, attempts=20):
    """One POST; any status is an answer. Nothing listening yet: the sidecar starts a moment later than we do."""
    request = urllib.request.Request(os.environ["EVENTS_URL"] + "/order-placed", order, method="POST", headers={
        "Content-Type": "application/json", "Order-Id": str(json.loads(order)["order"])})
    try:
        return urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as answer:
        return answer
    except urllib.error.URLError as problem:
        if attempts == 0 or not isinstance(problem.reason, ConnectionRefusedError):
            raise
    time.sleep(0.1)
    return tell(order, attempts - 1)


class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        order = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with tell(order) as answer:
            body = json.dumps({"told": answer.status}).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("", 8080), Orders).serve_forever()
