"""Plugins load by bare name, from one folder that its owner alone may write, if the interface is ours (threat 15)."""
import shutil
import subprocess

import pytest

from support.places import ROOT, shunt_binary
from support.shunt import shunt

LISTENER = 'service = "x"; listeners = ( { name = "out"; address = "127.0.0.1:15001"; } );'
CONFIG = LISTENER + ' brokers = ( { name = "b"; plugin = "%s"; url = "amqp://127.0.0.1/"; } );'
ANOTHER_INTERFACE = """
#include "plugin.h"
const struct transport shunt_plugin = { .abi = SHUNT_ABI + 1, .name = "old", .version = "old 1" };
"""


class Installed:
    """A copy of the program, with plugins in a folder beside it."""

    def __init__(self, folder, plugins="plugins"):
        self.binary, self.plugins = folder / "bin" / "shunt", folder / "bin" / plugins
        self.plugins.mkdir(parents=True)
        self.plugins.chmod(0o755)
        self.file = folder / "shunt.conf"
        shutil.copy(shunt_binary(), self.binary)
        for plugin in (shunt_binary().parent / "plugins").glob("*.so"):
            shutil.copy(plugin, self.plugins)

    def compile(self, name, source):
        file = self.file.with_name(f"{name}.c")
        file.write_text(source)
        subprocess.run(["gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", f"-I{ROOT / 'proxy'}", f"-I{ROOT}", file, "-o",
                        self.plugins / f"{name}.so"], check=True, timeout=60)

    def check(self, plugin):
        """Exit status, and all that is said."""
        self.file.write_text(CONFIG % plugin)
        done = shunt("check", "-c", self.file, binary=self.binary)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def installed(folder):
    return Installed(folder)


@pytest.mark.parametrize("plugin", ["../amqp", "/tmp/amqp", "./amqp", "amqp.so", "", "..", "a/b", "amqp\\x00x"])
def test_bare_names_only(installed, plugin):
    status, told = installed.check(plugin)
    assert status == 1 and "plugin" in told and "shunt.conf:1:" in told


def test_beside_the_binary(installed):
    assert installed.check("amqp") == (0, "")


def test_where_it_is_installed(folder):
    installed = Installed(folder, "../lib/shunt/plugins")
    assert installed.check("amqp") == (0, "")
    assert "plugin: amqp" in shunt("--version", binary=installed.binary).stdout


def test_a_missing_plugin_is_named(installed):
    status, told = installed.check("ampq")
    assert status == 1 and f"there is no ampq.so in {installed.plugins}" in told and "amqp" in told


@pytest.mark.parametrize("what, mode", [("plugins", 0o775), ("plugins", 0o757), ("plugins/amqp.so", 0o664),
                                        ("plugins/amqp.so", 0o646)])
def test_what_others_may_write_is_not_loaded(installed, what, mode):
    (installed.binary.parent / what).chmod(mode)
    status, told = installed.check("amqp")
    assert status == 1 and "may be written by group or world" in told and "chmod go-w" in told


def test_another_interface_is_not_loaded(installed):
    installed.compile("old", ANOTHER_INTERFACE)
    status, told = installed.check("old")
    assert status == 1 and "was built for plugin interface 2, this is interface 1: build it again" in told


@pytest.mark.parametrize("source", ["int nothing;", ""])
def test_what_is_no_plugin_is_not_loaded(installed, source):
    installed.compile("strange", source)
    status, told = installed.check("strange")
    assert status == 1 and "strange.so cannot be loaded" in told


def test_rubbish_is_not_loaded(installed):
    (installed.plugins / "rubbish.so").write_bytes(b"\x7fELF rubbish")
    status, told = installed.check("rubbish")
    assert status == 1 and "rubbish.so cannot be loaded" in told


def test_loaded_by_a_configuration_that_uses_it_only(installed):
    """A folder that must not be loaded from matters to nobody who loads nothing."""
    installed.plugins.chmod(0o777)
    installed.file.write_text(LISTENER)
    done = shunt("check", "-c", installed.file, binary=installed.binary)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
