"""Disks that fail for real: full ones, read-only ones, for a process started within and for nobody else."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SPACE = ["unshare", "--user", "--map-root-user", "--mount"]
"""A mount namespace of one's own: root has it, and so has everyone where the kernel lets users have namespaces."""


@contextmanager
def _mounted(*mount: str) -> Iterator[Sequence[str] | None]:
    """What to put before a command, so that it sees a mount that ends with this block; None where none is allowed."""
    script = f"{' && '.join(mount)} && echo mounted && exec cat"
    with subprocess.Popen([*SPACE, "sh", "-c", script], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        seen = holder.stdout.readline() == "mounted\n"
        yield ["nsenter", f"--target={holder.pid}", "--user", "--preserve-credentials", "--mount", "env", "-C"
               ] if seen else None
        holder.stdin.close()


class Disk:
    """A folder whose disk holds `room` bytes more. `under` goes before a command; `enlarge` makes room."""

    def __init__(self, folder: Path, room: int, under: Sequence[str] | None) -> None:
        self.folder, self.mounted = folder, under is not None
        # without mounts, the nearest real thing: a file of the process can have no more than some bytes
        self.under = [*under, str(folder.parent)] if under else ["prlimit", f"--fsize={room // 64}"]

    def enlarge(self) -> None:
        """There is room now."""
        if self.mounted:
            subprocess.run([*self.under, "mount", "-o", "remount,size=256m", str(self.folder)], check=True)
        else:
            self.under = []


@contextmanager
def small(folder: Path, room: int) -> Iterator[Disk]:
    """`folder` on a disk of its own of `room` bytes, empty at first."""
    folder.mkdir(parents=True, exist_ok=True)
    with _mounted(f"mount -t tmpfs -o size={room} none '{folder}'") as under:
        yield Disk(folder, room, under)


@contextmanager
def read_only(folder: Path) -> Iterator[Sequence[str]]:
    """What to put before a command so that nothing can be written into `folder`, whoever runs it."""
    with _mounted(f"mount --bind '{folder}' '{folder}'", f"mount -o remount,bind,ro '{folder}'") as under:
        if under:
            yield [*under, str(folder.parent)]
            return
    with permissions(folder) as under:
        yield under


@contextmanager
def permissions(folder: Path) -> Iterator[Sequence[str]]:
    """The same by the folder's permissions; root lays down the right to ignore them."""
    before = folder.stat().st_mode
    folder.chmod(0o555)
    try:
        yield ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    finally:
        folder.chmod(before)
