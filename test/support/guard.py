"""Runs a command and, when it ends or we are told to, ends everything that came of it.

    python3 -m support.guard COMMAND [ARGUMENT…]

A RabbitMQ node is a shell script, a virtual machine, its helpers and a daemon (epmd) that leaves the family on
purpose. As their subreaper we inherit those that leave, and so can end them all, by PID. Our standard input is
a pipe from whoever started us: when they die, however they die, it closes and we clean up."""
import ctypes
import os
import select
import signal
import subprocess
import sys

from support.process import descendants

PR_SET_CHILD_SUBREAPER = 36


def end_family():
    """Kills and reaps until no process is left; a killed one's orphans come to us in the next round."""
    while True:
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.wait()
        except ChildProcessError:
            return


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    try:
        select.select([sys.stdin, os.pidfd_open(child.pid)], [], [])
    finally:
        end_family()


if __name__ == "__main__":
    main()
