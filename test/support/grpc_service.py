"""A gRPC service without generated code: messages are bytes, and methods are told apart by their last word."""
import time
from concurrent import futures

import grpc

ANY_SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def echo(message, context):
    context.set_trailing_metadata((("x-trailer", "kept"),))
    context.send_initial_metadata((("x-head", "kept"),))
    return message


def fail(_, context):
    context.set_trailing_metadata((("grpc-status-details-bin", b"\x01\xff"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nö %, line\nbreak")


def sleep(message, context):
    """As long as the caller is there, ten seconds at most; then `cancelled` counts it."""
    Service.slept += 1
    until = time.monotonic() + 10
    while context.is_active() and time.monotonic() < until:
        time.sleep(0.05)
    Service.cancelled += not context.is_active()
    return message


def flaky(message, context):
    """Refuses each message the first time that it sees it."""
    Service.asked.append(message)
    if Service.asked.count(message) == 1:
        context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
    return message


def count(message, _):
    yield from (b"%d" % number for number in range(int(message)))


def join(messages, _):
    return b"".join(messages)


def answer_each(messages, _):
    yield from (message + b"!" for message in messages)


class Service(grpc.GenericRpcHandler):
    slept, cancelled, asked = 0, 0, []
    methods = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo), "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Flaky": grpc.unary_unary_rpc_method_handler(flaky),
        "Sleep": grpc.unary_unary_rpc_method_handler(sleep), "Count": grpc.unary_stream_rpc_method_handler(count),
        "Join": grpc.stream_unary_rpc_method_handler(join), "Chat": grpc.stream_stream_rpc_method_handler(answer_each),
    }

    def service(self, details):
        return self.methods.get(details.method.rpartition("/")[2])


def serve():
    """A server on a free port, and that port."""
    server = grpc.server(futures.ThreadPoolExecutor(32), options=ANY_SIZE)
    server.add_generic_rpc_handlers((Service(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port
