"""inventory: keeps reservations. POST /reservations makes one, GET /reservations lists them. It knows of no broker."""
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

reservations = []


class Inventory(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        reservations.append(order)
        self.answer(201, {"reservation": len(reservations), **order})

    def do_GET(self):
        self.answer(200, reservations)

    def answer(self, status, content):
        body = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("", 8080), Inventory).serve_forever()
