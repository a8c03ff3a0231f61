"""A base image out of this machine's own Python, for a builder without a registry to pull one from.

It holds the interpreter, its standard library, the shared libraries that they name, a shell and what a venv needs: as
much of ``python:3.13-slim`` as the Dockerfile uses. What it cannot show is that the real base image has the same.
"""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

ESSENTIAL = ("libgcc_s.so.1", "libstdc++.so.6", "librt.so.1", "libpthread.so.0", "libdl.so.2", "libutil.so.1")

WHEELHOUSE = "/wheelhouse"
"""Where the builder finds packages, in place of an index."""

TOOLS = ("sh", "env")


def make_base(root: Path) -> None:
    """Fill a folder with the root of the base image."""
    for folder in ("bin", "etc", "tmp", "usr/bin", "usr/local/bin", "usr/local/lib", "dev", "proc", "root"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc" / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {WHEELHOUSE}\n")
    (root / "etc" / "group").write_text("root:x:0:\n")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = root / "usr/local/bin" / version
    shutil.copy2(Path(sys.executable).resolve(), interpreter)
    for name in ("python3", "python"):
        (interpreter.parent / name).symlink_to(version)
    library = root / "usr/local/lib" / version
    unwanted = shutil.ignore_patterns(
        "test", "tests", "site-packages", "__pycache__", "idlelib", "tkinter", "turtledemo"
    )
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=unwanted)
    programs = [_copy(root, shutil.which(tool)) for tool in TOOLS]
    _copy_libraries(root, [interpreter, *programs, *library.glob("lib-dynload/*.so"), *_essential()])


def _copy(root: Path, source: str | None) -> Path:
    assert source is not None
    target = root / "bin" / Path(source).name
    shutil.copy2(Path(source).resolve(), target)
    return target


def _essential() -> Iterable[Path]:
    """Libraries that wheels may take for granted (PEP 600) and that every Debian has."""
    known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout.splitlines()
    for name in ESSENTIAL:
        yield next(Path(line.split()[-1]) for line in known if line.split()[:1] == [name])


def _copy_libraries(root: Path, programs: Sequence[Path]) -> None:
    """Copy what the loader would load, to where it looks for it."""
    told = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    wanted = {word for word in told.split() if word.startswith("/") and not word.endswith(":")}
    for word in wanted | {str(program) for program in programs if not program.is_relative_to(root)}:
        target = root / word.lstrip("/")
        if Path(word).exists() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(word).resolve(), target)
