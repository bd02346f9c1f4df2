"""A demo as its README tells it: the README's own commands, and what it says that they print.

In a fenced block marked `console`, `$ ` begins a command and what follows is its output. A command without output
there has only to succeed. One that only reads is repeated for a while: events arrive, and what was
started listens, a moment later. After SIGHUP we take as long for the next command as anybody at a keyboard: until the
sidecar has its new configuration."""
import re
from dataclasses import dataclass

from support.waiting import wait_until

HANGUP = re.compile(r"kill -s HUP (\S+)")
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)


@dataclass
class Step:
    command: str
    output: str

    @property
    def reads(self):
        return self.command.startswith("curl") and not re.search(r" -(d|X)\b", self.command)

    @property
    def is_last(self):
        return self.command.startswith("docker compose down")


def steps_of(readme):
    steps = []
    for block in BLOCK.findall(readme.read_text()):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            steps.append(Step(command, output.strip()))
    return steps


class Walk:
    def __init__(self, engine, compose, folder):
        self.engine, self.compose, self.folder = engine, compose, folder
        self.steps = steps_of(folder / "README.md")

    def run(self, command, **settings):
        return self.engine.run(re.sub(r"\bdocker compose\b", self.compose, command), self.folder, **settings)

    def take(self, step):
        if told := HANGUP.search(step.command):
            before = self.configurations(told[1])
        if not step.output:
            self.run(step.command)
            if told:
                wait_until(lambda: self.configurations(told[1]) > before, 90, f"{told[1]} has read its file", every=0.1)
            return
        last = None

        def as_told():
            nonlocal last
            last = self.run(step.command, check=not step.reads).stdout.strip()
            return last == step.output
        wait_until(as_told, 90 if step.reads else 0, lambda: f"it printed\n{last}\nand not\n{step.output}", every=0.2)

    def containers(self):
        """Names of services, and their containers. Without docker-compose, whose older one is slow to start."""
        known = self.run("docker ps -a --filter label=com.docker.compose.project=$COMPOSE_PROJECT_NAME "
                         "--format '{{.Label \"com.docker.compose.service\"}} {{.ID}}'").stdout
        return dict(map(str.split, known.splitlines()))

    def sidecars(self):
        """The containers of Shunt's image, as `docker inspect` describes them, by service."""
        return {name: self.run("docker inspect --format '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} "
                               f"{{{{.State.Health.Status}}}}' {container}").stdout.split()
                for name, container in self.containers().items() if name.endswith("-shunt")}

    def styles(self, sidecar):
        """How a sidecar carried its calls, by its own log."""
        return re.findall(r'"style"\s*:\s*"(\w+)"', self.log_of(sidecar))

    def configurations(self, sidecar):
        """How many a sidecar has taken up since its start, by its own log."""
        return self.log_of(sidecar).count(" is in use")

    def log_of(self, sidecar):
        return self.run(f"docker logs {self.containers()[sidecar]}").stdout

    def state(self):
        """What there is to see after a failure."""
        health = "docker inspect --format '{{.Name}} {{json .State.Health}}' $(docker compose ps -q)"
        return self.run(f"docker compose ps; {health}; docker compose logs --no-color --tail 40", check=False).stdout

    def clean(self):
        """After a failure, too."""
        self.run("docker compose down -v -t 1", check=False)
