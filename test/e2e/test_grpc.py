"""gRPC through Shunt, HTTP/2 on both sides: every kind of call, and statuses that stay statuses."""
import queue
import time

import pytest

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (Debian's python3-grpcio)")

from support.grpc_service import ANY_SIZE, Service, serve
from support.places import free_port, fresh_folder
from support.shunt import Shunt
from support.waiting import wait_until

CONFIG = """
service = "caller"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "in"; address = "127.0.0.1:%d"; host = "up:80"; } );
upstreams = ( { name = "up"; endpoints = ( "127.0.0.1:%d" ); protocol = "h2"; },
              { name = "nobody"; endpoints = ( "127.0.0.1:1" ); protocol = "h2"; } );
routes = ( { name = "nobody"; match = { path = "/test.Service/Nobody"; }; style = "sync"; sync = { upstream = "nobody"; }; },
           { name = "slow"; match = { path = "/test.Service/Sleep"; }; style = "sync"; sync = { upstream = "up"; };
             timeout = "2s"; },
           { name = "up"; style = "sync"; sync = { upstream = "up"; }; } );
"""


@pytest.fixture(scope="module")
def sidecar():
    server, port = serve()
    started = Shunt("grpc", fresh_folder("e2e", "grpc"), CONFIG % (free_port(), port)).start()
    yield started
    started.stop()
    server.stop(0).wait(10)


@pytest.fixture
def channel(sidecar):
    listen = sidecar.config.split("127.0.0.1:")[2].split('"')[0]
    with grpc.insecure_channel(f"127.0.0.1:{listen}", options=ANY_SIZE) as channel:
        yield channel


def failure(call, *arguments, **options):
    with pytest.raises(grpc.RpcError) as raised:
        call(*arguments, **options)
    return raised.value


def test_unary(channel):
    answer, call = channel.unary_unary("/test.Service/Echo").with_call(b"hello", metadata=(("x-a", "b"),))
    assert answer == b"hello" and call.code() == grpc.StatusCode.OK
    assert ("x-head", "kept") in call.initial_metadata() and ("x-trailer", "kept") in call.trailing_metadata()


def test_large_messages(channel):
    large = bytes(range(256)) * 16384
    assert channel.unary_unary("/test.Service/Echo")(large) == large


def test_empty_message(channel):
    assert channel.unary_unary("/test.Service/Echo")(b"") == b""


def test_a_thousand_at_a_time(channel):
    echo = channel.unary_unary("/test.Service/Echo")
    waiting = [echo.future(b"%d" % number) for number in range(1000)]
    assert [call.result(60) for call in waiting] == [b"%d" % number for number in range(1000)]


def test_server_streams(channel):
    assert list(channel.unary_stream("/test.Service/Count")(b"500")) == [b"%d" % number for number in range(500)]


def test_client_streams(channel):
    assert channel.stream_unary("/test.Service/Join")(iter([b"a", b"", b"b" * 100000])) == b"a" + b"b" * 100000


def test_both_stream_at_once(channel):
    """Each message is answered before the next is sent."""
    asked = queue.Queue()
    answers = channel.stream_stream("/test.Service/Chat")(iter(asked.get, None))
    for number in range(50):
        asked.put(b"%d" % number)
        assert next(answers) == b"%d!" % number
    asked.put(None)
    assert list(answers) == []


def test_a_status_keeps_its_details(channel, sidecar):
    error = failure(channel.unary_unary("/test.Service/Fail"), b"")
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION and error.details() == "nö %, line\nbreak"
    assert ("grpc-status-details-bin", b"\x01\xff") in error.trailing_metadata()
    wait_until(lambda: [line for line in sidecar.log() if line.get("grpc_status") == 9], 30, "the status is logged")


def test_an_unknown_method(channel):
    assert failure(channel.unary_unary("/test.Service/Nothing"), b"").code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_deadline_of_the_caller(channel):
    before, begun = Service.cancelled, time.monotonic()
    error = failure(channel.unary_unary("/test.Service/Sleep"), b"", timeout=0.5)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - begun < 8
    wait_until(lambda: Service.cancelled > before, 30, "the service sees that its caller is gone")


def test_a_deadline_of_ours(channel):
    error = failure(channel.unary_unary("/test.Service/Sleep"), b"")
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and "timeout" in error.details()


def test_cancellation_reaches_the_service(channel):
    before, slept = Service.cancelled, Service.slept
    call = channel.unary_unary("/test.Service/Sleep").future(b"")
    wait_until(lambda: Service.slept > slept, 30, "the service has begun")
    call.cancel()
    wait_until(lambda: Service.cancelled > before, 30, "the service sees that its caller is gone")


def test_our_own_errors_are_statuses(channel):
    error = failure(channel.unary_unary("/test.Service/Nobody"), b"")
    assert error.code() == grpc.StatusCode.UNAVAILABLE and "refused the connection" in error.details()


OVER_RABBIT = """
service = "both"; admin = { address = "127.0.0.1:@ADMIN@"; };
listeners = ( { name = "in"; address = "127.0.0.1:%d"; host = "up:80"; } );
brokers = ( { name = "rabbit"; plugin = "amqp"; url = "%s"; } );
routes = ( { name = "event"; match = { path = "/test.Service/Flaky"; }; style = "event";
             event = { broker = "rabbit"; queue = "grpc.events"; }; },
           { name = "call"; style = "request_reply"; timeout = "10s";
             request_reply = { broker = "rabbit"; queue = "grpc.calls"; reply = "await"; }; } );
subscriptions = ( { name = "events"; broker = "rabbit"; queue = "grpc.events"; deliver = "h2c://127.0.0.1:%d";
                    allow = ( { method = "POST"; path = "/test.Service/*"; } ); },
                  { name = "calls"; broker = "rabbit"; queue = "grpc.calls"; deliver = "h2c://127.0.0.1:%d";
                    allow = ( { method = "POST"; path = "/test.Service/*"; } ); } );
"""


@pytest.fixture(scope="module")
def over_rabbit(rabbit):
    server, port = serve()
    listen = free_port()
    started = Shunt("grpc-rabbit", fresh_folder("e2e", "grpc-rabbit"),
                    OVER_RABBIT % (listen, rabbit.url, port, port)).start()
    with grpc.insecure_channel(f"127.0.0.1:{listen}", options=ANY_SIZE) as channel:
        yield channel
    started.stop()
    server.stop(0).wait(10)


def test_a_unary_call_over_a_queue(over_rabbit):
    message, call = over_rabbit.unary_unary("/test.Service/Echo").with_call(b"by queue", timeout=20)
    assert message == b"by queue" and ("x-trailer", "kept") in call.trailing_metadata()
    error = failure(over_rabbit.unary_unary("/test.Service/Fail"), b"", timeout=20)
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION and error.details() == "nö %, line\nbreak"


def test_an_event_is_delivered_until_its_service_is_available(over_rabbit):
    assert over_rabbit.unary_unary("/test.Service/Flaky")(b"stored", timeout=20) == b""
    wait_until(lambda: len(Service.asked) >= 2, what="the event came again")
    time.sleep(0.5)  # in which it would come once more
    assert len(set(Service.asked)) == 1 and len(Service.asked) == 2
