"""Images for the demos where no registry can be reached: stand-ins under the same names, and Shunt's own.

The base comes from debootstrap through the machine's own apt mirror and settings, the others from the targets of
stand-ins/Dockerfile. They are for a private engine only."""
import pathlib
import re
import shutil
import subprocess

from support.kafka_classpath import prepare
from support.places import fresh_folder

BASE = "debian:12-slim"
SUITE = "bookworm"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OURS = "shunt:compose"
STAND_INS = pathlib.Path(__file__).resolve().parent.parent / "stand-ins"
KAFKA = "apache/kafka:3.9.1"
NAMES = {"python:3.12-slim": "python", "rabbitmq:3.13-management": "rabbitmq", KAFKA: "kafka"}
SETTINGS = ("etc/apt/apt.conf.d", "usr/local/share/ca-certificates")


def named_by(demo):
    """The images that a demo's compose file names, ours not among them."""
    found = re.findall(r"^\s*image:\s*(\S+)", (demo / "compose.yaml").read_text(), re.M)
    return sorted(set(found) - {OURS})


def can_be_pulled(engine, names):
    """Whether an engine has all of these or gets them from a registry."""
    return all(engine.run(f"docker image inspect {name} || docker pull -q {name}", check=False).returncode == 0
               for name in names)


def exists(engine, name):
    return engine.run(f"docker image inspect {name}", check=False).returncode == 0


def build_base(engine):
    if exists(engine, BASE):
        return
    root = fresh_folder("compose", "base")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", root], check=True)     # dpkg's syncs cost nothing there
    mirror = machine_mirror()
    command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, root, *mirror]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"debootstrap: {' '.join(done.stdout.splitlines()[-2:])}"
    settle(root)
    engine.run(f"tar -C '{root}' -c . | docker import --change 'ENV PATH={PATH}' --change 'CMD [\"bash\"]' - {BASE}")
    subprocess.run(["umount", "-l", root], check=True)
    root.rmdir()


def machine_mirror():
    """Where this machine's apt gets Debian from, if it says so; debootstrap has a default."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"],
                          capture_output=True, text=True, check=False)
    return [site for site in done.stdout.split() if site.rstrip("/").endswith("debian")][:1]


def settle(root):
    """This machine's settings for apt, and what the slim image does without."""
    for name in SETTINGS:
        source = pathlib.Path("/", name)
        if source.is_dir():
            shutil.copytree(source, root / name, dirs_exist_ok=True, symlinks=True)
    subprocess.run(["chroot", root, "update-ca-certificates"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=False)
    sources = root / "etc/apt/sources.list"
    site = sources.read_text().split()[1]
    sources.write_text("".join(f"deb {site} {suite} main\n" for suite in (SUITE, f"{SUITE}-updates")))
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text("force-unsafe-io\n" + "".join(
        f"path-exclude /usr/share/{name}/*\n" for name in ("doc", "man", "info", "locale")))
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)


def build_stand_in(engine, name):
    target = NAMES[name]
    context = fresh_folder("compose", "context")
    shutil.copytree(STAND_INS / "kafka", context, dirs_exist_ok=True)
    if name == KAFKA:
        shutil.copytree(prepare().libs, context / "libs")
    build(engine, name, STAND_INS / "Dockerfile", context, f"--target {target}")
    shutil.rmtree(context)


def build_ours(engine, tree):
    """The first stage keeps a name, so that its packages are there for the next run."""
    build(engine, f"{OURS}-build", tree / "deploy/Dockerfile", tree, "--target build")
    build(engine, OURS, tree / "deploy/Dockerfile", tree)


def build(engine, name, dockerfile, context, more=""):
    engine.run(f"docker build --network host -q -t {name} -f '{dockerfile}' {more} .", context, 1800)
