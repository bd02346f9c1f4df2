"""A Docker engine of our own, in a world of its own.

The world is a mount and a PID namespace, entered by running this program's script again inside it: /run is empty
there, so the engine's socket is where every client looks for it and touches no other; whatever way the script ends,
the kernel ends all that came of it, containers included. For the walks, the engine has a network namespace as well:
its bridges, its rules and the ports that the demos publish are nobody else's, and nothing of them stays. Building
needs the machine's network instead, and no bridge. What is left on purpose is the images, below build/compose, so that
the next run is fast."""
import glob
import os
import pathlib
import shutil
import subprocess

from support.process import Process
from support.waiting import wait_until
from trial import root

NEEDED = {"dockerd": "docker.io", "docker": "docker.io or docker-cli", "tini": "tini", "debootstrap": "debootstrap",
          "ip": "iproute2", "iptables": "iptables", "unshare": "util-linux", "nsenter": "util-linux"}


class CannotStart(Exception):
    """No engine here, and why."""


def is_running():
    """Whether an engine answers that somebody else has started."""
    if not shutil.which("docker"):
        return False
    try:
        return subprocess.run(["docker", "version"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=20, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def compose_command():
    """`docker compose`, or docker-compose where only that is there."""
    has_plugin = shutil.which("docker") and subprocess.run(
        ["docker", "compose", "version"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, check=False).returncode == 0
    return "docker compose" if has_plugin else "docker-compose" if shutil.which("docker-compose") else None


def why_not():
    """Why no engine can be started here, None when nothing is known to be in the way."""
    if os.geteuid() != 0:
        return "no Docker engine is running, and only root can start one"
    absent = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    absent += [] if compose_command() else ["docker-compose"]
    if absent:
        return f"no Docker engine is running, and to start one these are missing: {', '.join(absent)}"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--net", "--mount-proc", "true"],
                           capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return f"no Docker engine is running, and no namespaces can be made: {tried.stderr.strip()}"
    return None


def enter_world(folder, group, command, stdin):
    """Runs a command inside a new world, to its end; its exit status. `group`: the control group of its containers."""
    forget_groups("shunt-compose-*")
    world = Process("world", ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "tini", "--",
                              *command], folder, stdin=stdin)
    try:
        shown = 0
        while True:
            ended = not world.alive
            said = world.out.read_bytes()
            os.write(1, said[shown:])
            shown = len(said)
            if ended:
                return world.status
            try:
                world.wait(0.2)
            except subprocess.TimeoutExpired:
                pass
    finally:
        if world.alive:
            world.kill()
        wait_until(lambda: forget_groups(group), 20, f"control group {group} is empty")


def forget_groups(name):
    """The kernel keeps empty control groups until somebody removes them. True when none of the name are left."""
    for top in find_groups(name):
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:     # somebody is in there, or has just gone
                pass
    return not find_groups(name)


def find_groups(name):
    return glob.glob(f"/sys/fs/cgroup/**/{name}", recursive=True)


def arrange_world(data):
    """Inside, once: our root, an empty /run with the resolver's file, a place for images that can hold an overlay."""
    try:
        root.make_ours()
    except (OSError, KeyError) as problem:
        raise CannotStart(f"our root is a chroot and cannot be made a root: {problem}") from None
    resolver = os.path.realpath("/etc/resolv.conf")
    servers = pathlib.Path(resolver).read_bytes() if os.path.exists(resolver) else b""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    if resolver.startswith("/run/"):
        os.makedirs(os.path.dirname(resolver), exist_ok=True)
        pathlib.Path(resolver).write_bytes(servers)
    data.mkdir(parents=True, exist_ok=True)
    kind = subprocess.run(["stat", "-f", "-c", "%T", data], capture_output=True, text=True, check=True).stdout.strip()
    if kind == "overlayfs":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8g", "tmpfs", data], check=True)


class Engine:
    """One dockerd. `alone`: with a network of its own, for the walks; else the machine's, for building."""

    def __init__(self, folder, data, group, alone):
        self.folder, self.alone, self.process = folder, alone, None
        self.environment = {**os.environ, "DOCKER_CONFIG": str(folder / "client"), "DOCKER_BUILDKIT": "0",
                            "DOCKER_HOST": "unix:///run/docker.sock", "COMPOSE_ANSI": "never"}
        engine = ["dockerd", "--host", "unix:///run/docker.sock", "--data-root", data, "--cgroup-parent", group]
        if alone:
            self.command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *engine]
        else:
            self.command = [*engine, "--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]

    def __enter__(self):
        self.process = Process("dockerd", self.command, self.folder)
        try:
            wait_until(self._answers, 60, f"dockerd answers (see {self.process.err})", every=0.1)
        except AssertionError as problem:
            self.__exit__()
            raise CannotStart(f"{problem}: {self._last_words()}") from None
        return self

    def __exit__(self, *_):
        if self.process.alive:
            self.process.stop(60)

    def _answers(self):
        assert self.process.alive, f"dockerd ended with {self.process.status}"
        return self.run("docker version", check=False, seconds=20).returncode == 0

    def _last_words(self):
        return " ".join(self.process.err.read_text(errors="replace").splitlines()[-1:])

    def run(self, command, folder=None, seconds=900, check=True):
        """A shell command where the engine's network is; the finished process, with its output."""
        where = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net"] if self.alone else []
        return run_shell([*where, "bash", "-c", command], folder, self.environment, seconds, check)


class TheirEngine:
    """The one that is running already."""
    def __init__(self):
        self.environment = {**os.environ, "COMPOSE_ANSI": "never"}

    def run(self, command, folder=None, seconds=900, check=True):
        return run_shell(["bash", "-c", command], folder, self.environment, seconds, check)


def run_shell(command, folder, environment, seconds, check):
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, errors="replace", timeout=seconds, check=False)
    assert not check or done.returncode == 0, (
        f"{command[-1]}: exit status {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done
