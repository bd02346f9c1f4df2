"""The parts of the benchmark that stay with HTTP: what a call costs, against other proxies and the floor."""
import re
import statistics
import subprocess

import contenders
from measuring import each_round, h2load, load, paced, ratio, rounds
from reporting import ROUNDS, SECONDS, Bench, cost, rate

CROWD = 1000
LARGE = 8 << 20
COUNTED = 5000      # calls whose instructions are counted
P50_BEYOND_RELAY_MS = 0.012
PEERS = ("HAProxy", "nginx", "nghttpx")


def sync(report):
    with Bench("sync") as bench:
        origin = bench.keep(contenders.origin(bench.folder))
        proxies = {
            "HAProxy": bench.keep(contenders.haproxy(bench.folder, origin.port)),
            "nginx": bench.keep(contenders.nginx(bench.folder, origin.port)),
            "nghttpx": bench.keep(contenders.nghttpx(bench.folder, origin.port, "http/1.1")),
            "relay": bench.keep(contenders.relay(bench.folder, origin.port)),
        }
        for name, calls in (("Shunt", "false"), ("Shunt, logging each call", "true")):
            proxies[name] = bench.keep(contenders.Sidecar(
                f"shunt-{calls}", bench.folder, contenders.SYNC, calls=calls, origin=origin.port))

        def all_of(measure, also=()):
            return rounds({**{name: lambda proxy=proxy: measure(proxy) for name, proxy in proxies.items()},
                           **dict(also)}, ROUNDS)

        def busy(connections, seconds=SECONDS):
            return lambda proxy: load(proxy.port, "/", connections, seconds, False, proxy.pid)
        for proxy in proxies.values():
            busy(32, 1)(proxy)
        tell_busy(report, all_of(busy(32)))
        calls = contenders.compiled("http_calls")
        tell_calm(report, all_of(lambda proxy: paced(calls, proxy.port, "/", 1000, 16, SECONDS, 0, proxy.pid),
                                 {"direct": lambda: paced(calls, origin.port, "/", 1000, 16, SECONDS, 0)}.items()))
        tell_crowd(report, all_of(busy(CROWD)))
    large(report)


def tell_busy(report, found):
    report.title("sync: processor time per request, 32 keep-alive connections, answers of 1 KiB; Shunt to …")
    better = min(("HAProxy", "nginx"), key=lambda name: statistics.median(map(cost, found[name])))
    report.line(f"the better of HAProxy and nginx: {better}", ratio(found["Shunt"], found[better], cost), most=0.85)
    for name in PEERS:
        report.line(name, ratio(found["Shunt"], found[name], cost))
    report.line("a raw byte relay", ratio(found["Shunt"], found["relay"], cost), most=1.5)
    report.line("the same Shunt with a log line for each call",
                ratio(found["Shunt"], found["Shunt, logging each call"], cost))


def tell_calm(report, found):
    report.title("sync: the same at 1000 requests a second over 16 connections; Shunt to …")
    for name in PEERS:
        report.line(name, ratio(found["Shunt"], found[name], cost))
    report.line("a raw byte relay", ratio(found["Shunt"], found["relay"], cost), most=1.45)
    report.line("p50 of a call, beyond the relay's",
                each_round(lambda ours, floor: ours.p50_ms - floor.p50_ms, found["Shunt"], found["relay"]), "ms",
                most=P50_BEYOND_RELAY_MS)
    report.line("p99 of a call, less what it is through nginx",
                each_round(lambda ours, other: ours.p99_ms - other.p99_ms, found["Shunt"], found["nginx"]), "ms",
                most=0)
    for name in ("relay", *PEERS, "Shunt"):
        added = {point: each_round(lambda one, bare, at=f"p{point}_ms": getattr(one, at) - getattr(bare, at),
                                   found[name], found["direct"]) for point in (50, 99)}
        report.note(f"added by {name}: p50 {added[50].median:.3f} ms, p99 {added[99].median:.3f} ms")


def tell_crowd(report, found):
    report.title(f"sync: processor time per request, {CROWD} keep-alive connections; Shunt to …")
    for name in PEERS:
        report.line(name, ratio(found["Shunt"], found[name], cost))
    report.line("a raw byte relay", ratio(found["Shunt"], found["relay"], cost), most=1.6)


def large(report):
    """Answers of some megabytes, eight at a time."""
    with Bench("large") as bench:
        origin = bench.keep(contenders.origin(bench.folder, LARGE))
        proxies = {
            "HAProxy": bench.keep(contenders.haproxy(bench.folder, origin.port)),
            "nginx": bench.keep(contenders.nginx(bench.folder, origin.port)),
            "Shunt": bench.keep(contenders.Sidecar("shunt", bench.folder, contenders.SYNC, calls="false",
                                                   origin=origin.port)),
        }
        found = rounds({name: lambda proxy=proxy: load(proxy.port, "/", 8, SECONDS, False, proxy.pid)
                        for name, proxy in proxies.items()}, ROUNDS)
        report.title(f"sync: answers of {LARGE >> 20} MiB, 8 at a time; Shunt to …")
        report.line("HAProxy: throughput", ratio(found["Shunt"], found["HAProxy"], rate), least=1)
        report.line("nginx: throughput", ratio(found["Shunt"], found["nginx"], rate))
        report.line("HAProxy: processor time per byte", ratio(found["Shunt"], found["HAProxy"], cost))
        report.line("nginx: processor time per byte", ratio(found["Shunt"], found["nginx"], cost))


def h2(report):
    """HTTP/2 on both sides: GETs, and calls as gRPC makes them (a POST, answered with trailers)."""
    with Bench("h2") as bench:
        origin = bench.keep(contenders.nghttpd(bench.folder))
        proxies = {
            "nghttpx": bench.keep(contenders.nghttpx(bench.folder, origin.port, "h2")),
            "Shunt": bench.keep(contenders.Sidecar("shunt", bench.folder, contenders.H2, origin=origin.port)),
        }
        message = bench.folder / "message"
        message.write_bytes(b"\0\0\0\0\x7b" + b"x" * 123)
        grpc = [f"-d{message}", "-Hcontent-type: application/grpc", "-Hte: trailers"]

        def ask(*options):
            return lambda proxy: h2load(proxy.port, "/answer", [*options, "-c8", "-m4"], SECONDS, proxy.pid)
        for what, measure in (("GET of 1 KiB", ask()), ("a unary call of gRPC", ask(*grpc))):
            found = rounds({name: lambda proxy=proxy: measure(proxy) for name, proxy in proxies.items()}, ROUNDS)
            report.title(f"h2: {what}, HTTP/2 on both sides, 8 connections of 4 streams; Shunt to …")
            report.line("nghttpx: processor time per request", ratio(found["Shunt"], found["nghttpx"], cost), most=1)
            report.line("nghttpx: rate", ratio(found["Shunt"], found["nghttpx"], rate))


# ---- instructions, which are the same whoever else uses the machine

def counted(folder, name, command, *functions):
    """callgrind's count of what `command` executed; with `functions`, inside of these."""
    out = folder / f"{name}.callgrind"
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                           *(f"--toggle-collect={function}" for function in functions), *map(str, command)],
                          capture_output=True, text=True, check=True, timeout=300)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def of_a_call(bench, name, config, origin, options):
    """Instructions of one call: of so many calls, less those of half as many."""
    def run(calls):
        sidecar = contenders.Counted(f"{name}-{calls}", bench.folder, config, calls="false", origin=origin.port)
        h2load_some(sidecar.port, options, calls)
        return sidecar.instructions()
    return (run(2 * COUNTED) - run(COUNTED)) / COUNTED


def h2load_some(port, options, calls):
    subprocess.run(["h2load", "-t1", f"-n{calls}", *options, f"http://127.0.0.1:{port}/answer"], check=True,
                   capture_output=True, timeout=300)


def instructions(report):
    with Bench("instructions") as bench:
        plain, new = bench.keep(contenders.origin(bench.folder)), bench.keep(contenders.nghttpd(bench.folder))
        found = {
            "HTTP/1.1": of_a_call(bench, "h1", contenders.SYNC, plain, ["--h1", "-c8"]),
            "HTTP/2": of_a_call(bench, "h2", contenders.H2, new, ["-c8", "-m4"]),
        }
        report.title("instructions of a synchronous call of 1 KiB, in this process and without the kernel's")
        for name, count in found.items():
            report.note(f"{name} on both sides: {count:.0f}")
        routes = contenders.routes_program()
        lookups = [counted(bench.folder, f"routes-{many}", [routes, many, COUNTED], "route_find") / COUNTED
                   for many in (1, 10000)]
        report.line("a call with 10 000 routes, to one with a single route",
                    (found["HTTP/1.1"] + lookups[1] - lookups[0]) / found["HTTP/1.1"], most=1.1)
