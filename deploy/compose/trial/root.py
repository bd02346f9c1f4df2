"""In a chroot the root of the mount namespace is another than ours, and what enters a container by `docker exec` ends
up there, outside of the container and of the chroot. `make_ours` makes our root the namespace's and lets go of the
rest; the namespace must be our own. Nothing happens where there is no chroot."""
import ctypes
import os
import platform

CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 0x40000, 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def make_ours():
    """OSError where that cannot be."""
    folder, ours = os.getcwd(), os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    checked(libc.setns(namespace, CLONE_NEWNS))     # "enters" our own namespace: at its root
    os.close(namespace)
    if not os.path.samestat(os.stat("/"), os.fstat(ours)):
        _pivot(ours)
    os.close(ours)
    os.chdir(folder)


def _pivot(ours):
    theirs = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    os.fchdir(ours)
    checked(libc.syscall(PIVOT_ROOT[platform.machine()], b".", b"."))
    os.fchdir(theirs)
    checked(libc.umount2(b".", MNT_DETACH))
    os.close(theirs)
    os.chdir("/")
