"""An upstream that answers each connection's request with the same bytes, however wrong, and hangs up."""
import socket
import threading


class RawServer:
    def __init__(self, answer):
        self._answer, self.asked = answer, []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    def _serve(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                self._answer_one(client)

    def _answer_one(self, client):
        client.settimeout(5)
        try:
            self.asked.append(client.recv(65536))
            client.sendall(self._answer)
            client.shutdown(socket.SHUT_WR)
            client.recv(65536)
        except OSError:
            pass
