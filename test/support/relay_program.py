"""A TCP relay that can misbehave. Reads one word a line from its standard input and answers each with the same word.

    python3 -m support.relay_program PORT TO_PORT

    pass          both ways (the start); connections that lost bytes in another mode are cut
    cut           cuts all connections, then passes
    refuse        cuts all connections and each new one
    black_hole    accepts, swallows both ways
    lose_answers  passes what clients send, swallows what comes back
"""
import asyncio
import sys


class Relay:
    def __init__(self, to_port):
        self.to_port, self.mode, self.pairs = to_port, "pass", set()

    def turn(self, mode):
        for pair in list(self.pairs):
            if mode in ("cut", "refuse") or (mode == "pass" and pair.damaged):
                pair.cut()
        self.mode = "pass" if mode == "cut" else mode

    async def accept(self, reader, writer):
        if self.mode == "refuse":
            writer.transport.abort()
            return
        pair = Pair(self, writer)
        self.pairs.add(pair)
        try:
            await pair.run(reader)
        finally:
            pair.cut()
            self.pairs.discard(pair)


class Pair:
    """A client's connection and ours to the server; none to the server when it began in a black hole.

    A direction that has lost bytes stays silent, and so does an end that closes, until the relay cuts the pair: a
    stream with a hole, or a sudden end, would be another fault."""

    def __init__(self, relay, client):
        self.relay, self.client, self.server = relay, client, None
        self.damaged, self.ended = False, asyncio.Event()

    async def run(self, from_client):
        tasks = []
        if self.relay.mode != "black_hole":
            try:
                from_server, self.server = await asyncio.open_connection("127.0.0.1", self.relay.to_port)
            except OSError:
                return
            tasks.append(asyncio.create_task(self._copy(from_server, self.client, ("black_hole", "lose_answers"))))
        tasks.append(asyncio.create_task(self._copy(from_client, self.server, ("black_hole",))))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    async def _copy(self, reader, writer, lost_in):
        lost = writer is None
        try:
            while data := await reader.read(65536):
                lost = lost or self.relay.mode in lost_in
                if lost:
                    self.damaged = True
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        if self.damaged or self.relay.mode in lost_in:
            self.damaged = True
            await self.ended.wait()

    def cut(self):
        self.ended.set()
        for writer in (self.client, self.server):
            if writer is not None:
                writer.transport.abort()


async def main(port, to_port):
    relay = Relay(int(to_port))
    server = await asyncio.start_server(relay.accept, "127.0.0.1", int(port), backlog=1024)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async with server:
        while line := await commands.readline():
            mode = line.decode().strip()
            relay.turn(mode)
            print(mode, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
