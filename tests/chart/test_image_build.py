"""The image is built by real buildah and run, on a base that ``image_base.py`` makes of this machine's Python.

It takes root, buildah, and most of a minute, so that it runs where CI is set; buildah is then fetched from Debian if it
is missing. Where no builder is to be had, the test is skipped and says why.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar import __version__
from sidecar.dev.ports import free_port
from sidecar.kit.die_with_parent import dying_with_parent
from tests.acceptance.harness.load import load_routes
from tests.acceptance.harness.site import Ports, make_settings, write_settings
from tests.acceptance.harness.waiting import wait_until
from tests.chart.image_base import WHEELHOUSE, make_base
from tests.chart.tools import FOLDER
from tests.conftest import run

ROOT = Path(__file__).parents[2]
ARCHIVES = FOLDER / "wheels"
LOCKS = ("requirements-build.lock", "requirements-runtime.lock")
MISSING = "it takes buildah: run `apt-get install buildah` and `CI=1 pytest tests/chart/test_image_build.py` as root"

pytestmark = pytest.mark.timeout(900)  # a busy machine takes minutes to build


@dataclass(frozen=True, slots=True)
class Image:
    """What was built: its settings, and its root as a folder."""

    config: dict[str, Any]
    root: Path

    def command(self, *arguments: str) -> list[str]:
        """The command that a runtime would start: the entry point as the image's user, with its environment."""
        uid, gid = self.config["User"].split(":")
        environment = ["/bin/env", "-i", *self.config["Env"], *self.config["Entrypoint"], *arguments]
        chroot = shutil.which("chroot")
        assert chroot is not None
        return [chroot, f"--userspec={uid}:{gid}", str(self.root), *environment]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False, env={})


def find_buildah() -> str:
    """Find the builder, or get it from Debian."""
    if os.geteuid() != 0 or not os.environ.get("CI"):
        pytest.skip(MISSING)
    if shutil.which("buildah") is None and shutil.which("apt-get"):
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "buildah"]
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], install):
            subprocess.run(command, check=False, capture_output=True, env=quietly)
    found = shutil.which("buildah")
    if found is None:
        pytest.skip(MISSING)
    return found


class Builder:
    """Buildah with a store of its own, which needs neither daemon nor kernel modules."""

    def __init__(self, program: str, folder: Path) -> None:
        self._words = [program, "--root", str(folder / "store"), "--runroot", str(folder / "run")]
        self._environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._words, *arguments], env=self._environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout.strip()


def fetch_wheels() -> None:
    """Fetch what the locks name, so that the build itself needs no network; pip compares the digests here and there."""
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    for lock in LOCKS:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
        ]
        pip += ["--no-deps", "--require-hashes", "-r", str(ROOT / lock), "-d", str(ARCHIVES)]
        subprocess.run(pip, check=True, capture_output=True)


@pytest.fixture(scope="module")
def image(directory: Path) -> Iterator[Image]:
    """Build the Dockerfile as it is, with another base."""
    build = Builder(find_buildah(), directory)
    fetch_wheels()
    base = directory / "base"
    make_base(base)
    (directory / "Base").write_text("FROM scratch\nCOPY . /\n")
    build("build", "--quiet", "--tag", "localhost/base", "--file", str(directory / "Base"), str(base))
    shutil.rmtree(base)
    wheels = ("--volume", f"{ARCHIVES}:{WHEELHOUSE}:ro")
    build("build", "--quiet", *wheels, "--build-arg", "PYTHON_IMAGE=localhost/base", "--tag", "localhost/sidecar", ".")
    container = build("from", "localhost/sidecar")
    try:
        config = json.loads(build("inspect", "--type", "image", "localhost/sidecar"))["OCIv1"]["config"]
        yield Image(config, Path(build("mount", container)))
    finally:
        build("rm", container)


def test_the_image_runs_as_a_user_of_its_own_and_tells_what_it_is(image: Image) -> None:
    assert image.config["User"] == "10001:10001"
    assert image.config["Entrypoint"] == ["sidecar"]
    assert image.config["Cmd"] == ["serve"]
    assert image.config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert set(image.config["ExposedPorts"]) == {"8080/tcp", "8081/tcp", "8082/tcp"}


def test_no_tool_for_building_is_left_in_it(image: Image) -> None:
    installed = {path.name for path in image.root.glob("opt/sidecar/lib/python3*/site-packages/*")}
    assert f"wso2_mediation_sidecar-{__version__}.dist-info" in installed
    assert not {"pip", "hatchling", "pytest", "setuptools"} & installed
    assert not (image.root / "source").exists()


def test_the_image_serves_as_its_user_and_writes_nothing_but_tmp(image: Image, database: str, tmp_path: Path) -> None:
    """As in a pod: `migrate`, then `serve`; afterwards no file outside of /tmp is newer than before."""
    ports = Ports.free()
    folder = image.root / "etc" / "sidecar"
    settings = make_settings(database, ports, load_routes(f"http://127.0.0.1:{free_port()}"))
    path = write_settings(folder / "sidecar.yaml", settings)
    content = yaml.safe_load(path.read_text())
    content["callbacks"]["token_secrets_file"] = "/etc/sidecar/sidecar.tokens"
    path.write_text(yaml.safe_dump(content))
    marker = tmp_path / "marker"
    marker.touch()
    migrated = image.run("migrate", "--config", "/etc/sidecar/sidecar.yaml")
    assert migrated.returncode == 0, migrated.stderr
    log = tmp_path / "log"
    with log.open("wb") as out:
        serving = subprocess.Popen(
            dying_with_parent(image.command("serve", "--config", "/etc/sidecar/sidecar.yaml")),
            stdout=out,
            stderr=out,
            env={},
        )
    try:
        run(wait_until(lambda: "sidecar.started" in log.read_text() or serving.poll() is not None, "its start"))
        assert serving.poll() is None, log.read_text()
        status = Path(f"/proc/{serving.pid}/status").read_text()
        assert "Uid:\t10001\t10001" in status
        serving.terminate()
        assert serving.wait(timeout=60) == 0, log.read_text()
    finally:
        serving.kill()
        serving.wait()
    newer = subprocess.run(
        ["find", ".", "-newer", str(marker), "-type", "f", "-not", "-path", "./tmp/*"],
        cwd=image.root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert newer.stdout == ""
