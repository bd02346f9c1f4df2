"""What the build promises of its programs, whichever variant it is."""
import subprocess

import pytest

from support.places import shunt_binary

PROGRAMS = [shunt_binary(), *sorted((shunt_binary().parent / "plugins").glob("*.so"))]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_a_program_is_hardened(program):
    """Loaded anywhere, nothing to be written that is code or a table of functions once it runs (RELRO, bound now)."""
    told = subprocess.run(["readelf", "-Wlhd", program], check=True, capture_output=True, text=True, timeout=60).stdout
    stack = next(line for line in told.splitlines() if "GNU_STACK" in line)
    assert "DYN (" in told and "GNU_RELRO" in told and "NOW" in told
    assert " RWE " not in told and " RW " in stack
    assert program.suffix == ".so" or "PIE" in told
