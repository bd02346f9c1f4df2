"""The broker as a client that is not ours sees it (pika)."""
import threading
from dataclasses import dataclass

import pika


@dataclass
class Message:
    body: bytes
    properties: pika.BasicProperties
    routing_key: str = ""
    exchange: str = ""
    redelivered: bool = False

    @property
    def headers(self):
        return self.properties.headers or {}


class Amqp:
    """One connection with one channel that confirms. Not for use by several threads."""

    def __init__(self, rabbit):
        self.connection = rabbit.connect()
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.connection.is_open:
            self.connection.close()

    def declare(self, queue="", **arguments):
        """Declares a durable queue, or with no name an exclusive one; returns its name."""
        if not queue:
            return self.channel.queue_declare("", exclusive=True).method.queue
        return self.channel.queue_declare(queue, durable=True, **arguments).method.queue

    def exists(self, queue):
        """A passive declaration of what is not there closes the channel: on a channel of its own."""
        channel = self.connection.channel()
        try:
            channel.queue_declare(queue, passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return False
        channel.close()
        return True

    def depth(self, queue):
        return self.channel.queue_declare(queue, passive=True).method.message_count

    def consumers(self, queue):
        return self.channel.queue_declare(queue, passive=True).method.consumer_count

    def publish(self, queue, body, headers=None, exchange="", **properties):
        """Publishes, confirmed and mandatory: fails when no queue has it."""
        self.channel.basic_publish(exchange, queue, body, mandatory=True,
                                   properties=pika.BasicProperties(headers=headers, **properties))

    def get(self, queue):
        """Takes the first message out, or None."""
        method, properties, body = self.channel.basic_get(queue, auto_ack=True)
        if method is None:
            return None
        return Message(body, properties, method.routing_key, method.exchange, method.redelivered)

    def drain(self, queue):
        """Takes everything out; nothing when there is no such queue."""
        if not self.exists(queue):
            return []
        return list(iter(lambda: self.get(queue), None))

    def bind_trace(self, pattern="#"):
        """A queue that sees each message as the broker saw it (the firehose; needs `rabbitmqctl trace_on`)."""
        queue = self.declare()
        self.channel.queue_bind(queue, "amq.rabbitmq.trace", pattern)
        return queue

    def ask(self, queue, body, headers=None, seconds=20, **properties):
        """A plain RPC call: the reply, or None when none comes in time."""
        reply_to = self.declare()
        self.publish(queue, body, headers, reply_to=reply_to, **{"correlation_id": "asked-by-pika", **properties})
        for method, given, answer in self.channel.consume(reply_to, auto_ack=True, inactivity_timeout=seconds):
            self.channel.cancel()
            return Message(answer, given, method.routing_key) if method else None
        return None


class PlainRpcServer:
    """Answers what comes to a queue, as any tutorial's RPC server does; runs on a thread and connection of its own."""

    def __init__(self, rabbit, queue, answer):
        self.asked, self._answer, self._queue = [], answer, queue
        self._connection = rabbit.connect()
        self._channel = self._connection.channel()
        self._channel.queue_declare(queue, durable=True)
        self._channel.basic_qos(prefetch_count=16)
        self._channel.basic_consume(queue, self._serve)
        self._thread = threading.Thread(target=self._channel.start_consuming, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._connection.add_callback_threadsafe(self._channel.stop_consuming)
        self._thread.join(10)
        self._connection.close()

    def _serve(self, channel, method, properties, body):
        self.asked.append(Message(body, properties, method.routing_key))
        for correlation, answer in self.replies(properties.correlation_id, body):
            reply = pika.BasicProperties(correlation_id=correlation)
            channel.basic_publish("", properties.reply_to, answer, reply)
        channel.basic_ack(method.delivery_tag)

    def replies(self, correlation, body):
        """What is published for a request: pairs of correlation ID and body."""
        return [(correlation, self._answer(body))]
