"""billing, shipping or analytics: is told of orders by POST /order-placed; GET /orders lists them. It knows of no
broker, nor of the other two."""
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

orders = []


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        orders.append(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0)))))
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        body = json.dumps({os.environ["SERVICE"]: orders}).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("", 8080), Receiver).serve_forever()
