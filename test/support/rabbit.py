"""A RabbitMQ node of our own: free ports, all files in one folder, its own epmd, never the user's node.

The node listens on loopback only and takes nothing from /etc/rabbitmq; one scheduler starts it sooner than two on
a small virtual machine. `guard` ends all of its processes."""
import logging
import os
import signal
import subprocess

import pika

from support.places import PYTHON, ROOT, free_port
from support.process import Process, command_name, descendants
from support.waiting import is_listening, wait_until

PROGRAMS = "/usr/lib/rabbitmq/bin"
logging.getLogger("pika").setLevel(logging.CRITICAL)    # it tells refused connections at length

SETTINGS = """\
disk_free_limit.absolute = 20MB
log.file.level = info
"""


class Rabbit:
    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self.env = self._environment()
        self.node = None
        (folder / "rabbitmq.conf").write_text(SETTINGS)
        (folder / "enabled_plugins").write_text("[].\n")
        (folder / "environment").write_text("")

    def _environment(self):
        at = self.folder
        return {
            "HOME": str(at),
            "PYTHONPATH": str(ROOT / "test"),
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"shunt-{os.getpid()}-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(at / "data"),
            "RABBITMQ_LOG_BASE": str(at / "log"),
            "RABBITMQ_CONF_ENV_FILE": str(at / "environment"),
            "RABBITMQ_CONFIG_FILE": str(at / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(at / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(at / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(at / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(at / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                "+S 1:1 +SDcpu 1 +SDio 1 -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def start(self, seconds=90):
        command = [PYTHON, "-m", "support.guard", f"{PROGRAMS}/rabbitmq-server"]
        self.node = Process("rabbitmq", command, self.folder, self.env, stdin=subprocess.PIPE)
        wait_until(self.answers, seconds, f"RabbitMQ is up (see {self.folder})", every=0.1)
        return self

    def answers(self):
        """True when a client can log in."""
        if not self.node.alive:
            raise AssertionError(f"RabbitMQ ended by itself, see {self.folder}")
        if not is_listening(self.port):
            return False
        try:
            self.connect().close()
        except (OSError, pika.exceptions.AMQPError):
            return False
        return True

    def connect(self):
        parameters = pika.URLParameters(self.url)
        parameters.heartbeat = 0
        parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = 10
        return pika.BlockingConnection(parameters)

    def kill(self):
        """kill -9 on the virtual machine; its helpers follow, its files stay."""
        os.kill(self._beam(), signal.SIGKILL)
        self.node.wait(20)
        self.node.stdin.close()

    def stop(self):
        if self.node:
            self.node.stop()
            self.node.stdin.close()
            self.node = None

    def pause(self):
        os.kill(self._beam(), signal.SIGSTOP)

    def resume(self):
        os.kill(self._beam(), signal.SIGCONT)

    def memory_alarm(self, on):
        """Publishers are blocked while no memory at all is allowed."""
        self.ctl("set_vm_memory_high_watermark", "0" if on else "0.4")

    def ctl(self, *arguments, seconds=60):
        """rabbitmqctl, which can hang, under a time limit; returns what it printed."""
        command = [f"{PROGRAMS}/rabbitmqctl", "-q", *arguments]
        done = subprocess.run(command, env={**os.environ, **self.env}, timeout=seconds,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _beam(self):
        return next(pid for pid in descendants(self.node.pid) if command_name(pid) == "beam.smp")
