"""Waiting for conditions, never for times."""
import os
import socket
import time


def wait_until(condition, seconds=30, what="", every=0.02):
    """Returns the condition's first true value; fails when it has none in time. `what` says it, or a function does."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def wait_listening(port, seconds=30):
    wait_until(lambda: is_listening(port), seconds, f"something listens on port {port}")


def patient(seconds):
    """So long on a machine that is ours, longer on one that is busy with other things as well."""
    return seconds * max(1.0, 2 * os.getloadavg()[0] / os.cpu_count())
