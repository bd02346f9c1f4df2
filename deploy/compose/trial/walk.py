"""A demo as its README tells it: the README's own commands, and what it says that they print.

In a fenced block marked `console`, `$ ` begins a command and what follows is its output. A command without output
there has only to succeed. One that only reads is repeated for a while: events arrive a moment later."""
import re
from dataclasses import dataclass

from support.waiting import wait_until

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
        if not step.output:
            self.run(step.command)
            return
        last = None

        def as_told():
            nonlocal last
            last = self.run(step.command).stdout.strip()
            return last == step.output
        wait_until(as_told, 20 if step.reads else 0, lambda: f"it printed\n{last}\nand not\n{step.output}", every=0.2)

    def sidecars(self):
        """The containers of Shunt's image, as `docker inspect` describes them, by service."""
        names = [name for name in self.run("docker compose ps --services").stdout.split() if name.endswith("-shunt")]
        return {name: self.run(f"docker inspect --format '{{{{.Config.User}}}} {{{{.HostConfig.ReadonlyRootfs}}}} "
                               f"{{{{.State.Health.Status}}}}' $(docker compose ps -q {name})").stdout.split()
                for name in names}

    def styles(self, sidecar):
        """How a sidecar carried its calls, by its own log."""
        log = self.run(f"docker compose logs --no-color {sidecar}").stdout
        return re.findall(r'"style"\s*:\s*"(\w+)"', log)

    def state(self):
        """What there is to see after a failure."""
        health = "docker inspect --format '{{.Name}} {{json .State.Health}}' $(docker compose ps -q)"
        return self.run(f"docker compose ps; {health}; docker compose logs --no-color --tail 40", check=False).stdout

    def clean(self):
        """After a failure, too."""
        self.run("docker compose down -v -t 1", check=False)
