"""The files that a Kafka node of ours reads: its settings and how it logs."""

LOGGING = """\
log4j.rootLogger=INFO, err
log4j.logger.kafka.server.KafkaConfig=WARN
log4j.appender.err=org.apache.log4j.ConsoleAppender
log4j.appender.err.target=System.err
log4j.appender.err.layout=org.apache.log4j.PatternLayout
log4j.appender.err.layout.ConversionPattern=%d{ISO8601} %p %m (%c{1})%n
"""


def node_settings(data, controller_port, listeners, more=None):
    """The file of one node that is broker and controller. `listeners`: name → (port, port told to clients).

    Timeouts that only serve clusters are short, so that a node that was killed is back soon: its registration must
    lapse before it may register again."""
    names = ["CONTROLLER", *listeners]
    bound = [f"{name}://127.0.0.1:{port}" for name, (port, _) in listeners.items()]
    told = [f"{name}://127.0.0.1:{port}" for name, (_, port) in listeners.items()]
    rows = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join([*bound, f"CONTROLLER://127.0.0.1:{controller_port}"]),
        "advertised.listeners": ",".join(told),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names),
        "inter.broker.listener.name": next(iter(listeners)),
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "broker.heartbeat.interval.ms": 400,
        "broker.session.timeout.ms": 2000,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 2 << 20,
        **(more or {}),
    }
    return "".join(f"{name}={value}\n" for name, value in rows.items())
