"""Apache Kafka as Maven Central has it, fetched once and kept below build/kafka, made ready to start fast.

    python3 -m support.kafka_classpath      fetches what is missing and prints the folder with the jars

`prepare` gives the jars, a formatted data folder that each new node copies, and an archive of the classes that a node
loads (it halves the time to start); the last two come from one start of a node. It fails with KafkaMissing where
there is no Java, no Maven or no way to fetch: the message says what must stand in."""
import fcntl
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.kafka_settings import LOGGING, node_settings
from support.places import BUILD, free_port
from support.process import Process
from support.waiting import wait_listening

VERSION = "3.9.1"
ARTIFACTS = (f"org.apache.kafka:kafka_2.13:{VERSION}", f"org.apache.kafka:kafka-tools:{VERSION}",
             "org.slf4j:slf4j-reload4j:1.7.36")
SMALL_JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
STAND_IN = "librdkafka's mock cluster must stand in (no restarts with the same data, no relay, no JVM client)"
CLUSTER = "c2h1bnQtdGVzdHMta2Fma2E"     # any 16 bytes in base64


class KafkaMissing(Exception):
    """There can be no Apache Kafka here; says why, and what must stand in."""

    def __init__(self, why):
        super().__init__(f"no Apache Kafka here: {why}; {STAND_IN}")


@dataclass(frozen=True)
class Distribution:
    libs: Path          # the jars
    formatted: Path     # a data folder as `kafka-storage format` leaves it
    classes: Path       # the archive of classes

    def java(self, logging, *arguments, classes=True):
        """The command that runs a Java class of Kafka's."""
        shared = [f"-XX:SharedArchiveFile={self.classes}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"] if classes else []
        return ["java", *SMALL_JVM, *shared, f"-Dlog4j.configuration=file:{logging}", "-cp", f"{self.libs}/*",
                *map(str, arguments)]


def missing():
    """Why there can be no Apache Kafka here, None when nothing is known to be in the way."""
    programs = {"java": "default-jre-headless", "mvn": "maven"}
    absent = [program for program in programs if not shutil.which(program)]
    if not absent:
        return None
    return f"no {' and no '.join(absent)} (Debian: {' '.join(programs[program] for program in absent)})"


def prepare():
    """Fetches and makes what is not there yet; concurrent callers wait for the first."""
    if why := missing():
        raise KafkaMissing(why)
    root = BUILD / "kafka"
    root.mkdir(parents=True, exist_ok=True)
    done = root / VERSION
    with open(root / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            work = root / f"{VERSION}.making"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            _fetch(work)
            work.rename(done)
        # The archive knows the jars by their path, so it is made where they stay.
        distribution = Distribution(done / "libs", done / "formatted", done / "classes.jsa")
        if not distribution.classes.exists():
            _train(distribution, done / "training")
    return distribution


def _fetch(work):
    print(f"  GET  Apache Kafka {VERSION}", file=sys.stderr, flush=True)
    dependencies = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
        .format(*artifact.split(":")) for artifact in ARTIFACTS)
    pom = work / "pom.xml"
    pom.write_text("<project><modelVersion>4.0.0</modelVersion><packaging>pom</packaging>"
                   "<groupId>shunt</groupId><artifactId>kafka</artifactId><version>1</version>"
                   f"<dependencies>{dependencies}</dependencies></project>\n")
    command = ["setpriv", "--pdeathsig", "KILL", "--", "mvn", "-B", "-q", "-f", pom, "dependency:copy-dependencies",
               f"-DoutputDirectory={work / 'libs'}", "-DincludeScope=runtime"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=420,
                              check=False)
    except subprocess.TimeoutExpired:
        raise KafkaMissing("Maven did not end within 420 s") from None
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise KafkaMissing(f"Maven could not fetch it: {' '.join((errors or [done.stderr.strip()])[:1])}")


def _train(distribution, folder):
    """Formats, then runs a node once: at its end, the virtual machine writes the archive of what it had loaded."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    logging, config = folder / "log4j.properties", folder / "server.properties"
    logging.write_text(LOGGING)
    ports = free_port(), free_port()
    data = folder / "data"
    config.write_text(node_settings(data, ports[1], {"PLAINTEXT": (ports[0], ports[0])}))
    command = distribution.java(logging, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", config,
                                classes=False)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    if not distribution.formatted.exists():
        shutil.copytree(data, distribution.formatted)
    made = folder / "classes.jsa"
    command = distribution.java(logging, "kafka.Kafka", config, classes=False)
    command.insert(1, f"-XX:ArchiveClassesAtExit={made}")
    node = Process("kafka", command, folder)
    wait_listening(ports[0], 120)
    node.stop(120)
    made.rename(distribution.classes)
    shutil.rmtree(folder)


if __name__ == "__main__":
    try:
        print(prepare().libs)
    except KafkaMissing as problem:
        sys.exit(str(problem))
