"""What Maven brings: the jars of an engine, from Maven Central or from its cache."""

import fcntl
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from sidecar.kit.die_with_parent import dying_with_parent

_LOCK = Path(tempfile.gettempdir()) / "sidecar-tests-maven.lock"
LOG = logging.getLogger(__name__)
PATIENCE = 600  # seconds, for the first download on a slow line
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
REMEDY = "install a JDK 17 and Maven (Debian: apt-get install openjdk-17-jdk-headless maven) and run the tests again"

SYNAPSE = "3.0.1"
"""The newest Apache Synapse that Maven Central gives out."""
JINJAVA = "2.8.4"
_ONLY_AT_WSO2 = ("org.wso2.caching", "org.wso2.eventing", "org.wso2.uri.template", "org.snmp4j")
"""Groups that Synapse asks for and Central does not have; nothing here needs them."""


def program(name: str) -> str:
    """Find a program, or say how to get it: by skipping, and in CI by failing, where engines have to run."""
    found = shutil.which(name)
    if found is None:
        without = pytest.fail if os.environ.get("CI") else pytest.skip
        without(f"{name} is missing, so no engine can run: {REMEDY}")
    return found


def maven(directory: Path, *arguments: str) -> None:
    """Run Maven in a folder that holds a pom.xml."""
    command = [program("mvn"), "--batch-mode", "--no-transfer-progress", *arguments]
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Maven's cache bears one writer
        done = subprocess.run(
            dying_with_parent(command), cwd=directory, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}"


def classpath(directory: Path, *artifacts: str, excluded: Sequence[str] = ()) -> str:
    """Resolve ``group:artifact:version`` and all that they need; what is not in Maven's cache is downloaded."""
    program("java")
    directory.mkdir(parents=True)
    (directory / "pom.xml").write_text(_pom(artifacts, excluded))
    LOG.warning("resolving %s with Maven; the first time it is downloaded", ", ".join(artifacts))
    written = directory / "classpath"
    maven(directory, f"{PLUGIN}:build-classpath", f"-Dmdep.outputFile={written}", "-DincludeScope=runtime")
    return written.read_text().strip()


def synapse_classpath(directory: Path) -> str:
    """Resolve Apache Synapse (16 MB)."""
    parts = ("synapse-core", "synapse-nhttp-transport")
    return classpath(directory, *(f"org.apache.synapse:{part}:{SYNAPSE}" for part in parts), excluded=_ONLY_AT_WSO2)


def _pom(artifacts: Sequence[str], excluded: Sequence[str]) -> str:
    exclusions = "".join(
        f"<exclusion><groupId>{group}</groupId><artifactId>*</artifactId></exclusion>" for group in excluded
    )
    dependencies = ""
    for name in artifacts:
        group, artifact, version = name.split(":")
        dependencies += (
            f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
            f"<exclusions>{exclusions}</exclusions></dependency>"
        )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>tests</groupId><artifactId>engine</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )


def environment() -> dict[str, str]:
    """The environment of the engine: nothing of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SIDECAR_")}


def java_version() -> str:
    """The version of the Java that runs the engine."""
    told = subprocess.run([program("java"), "-version"], capture_output=True, text=True, check=True).stderr
    return told.splitlines()[0].split('"')[1]
