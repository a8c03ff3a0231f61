"""Apache Synapse as a process: WSO2's gateways run a fork of it, and of the mediators that steer it has the same."""

import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sidecar.kit.die_with_parent import dying_with_parent
from tests.wso2.engine.maven import SYNAPSE, environment, java_version, program

HERE = Path(__file__).parent
NAMESPACE = "http://ws.apache.org/ns/synapse"


class Synapse:
    """One engine on one loopback port, with one API per context. It dies with the tests."""

    def __init__(self, home: Path, classpath: str, port: int, *, properties: Mapping[str, str]) -> None:
        self.version = f"Apache Synapse {SYNAPSE} on Java {java_version()}"
        self.url = f"http://127.0.0.1:{port}"
        self.log = home / "engine.log"
        self._home = home
        self._classpath = classpath
        self._port = port
        self._properties = properties
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, definitions: str) -> None:
        """Start, without waiting; the engine listens when it has read its configuration."""
        conf = self._home / "repository" / "conf"
        conf.mkdir(parents=True)
        (self._home / "logs").mkdir()
        (conf / "axis2.xml").write_text((HERE / "axis2.xml").read_text().replace("PORT", str(self._port)))
        (conf / "synapse.xml").write_text(f'<definitions xmlns="{NAMESPACE}">{definitions}</definitions>')
        command = [
            program("java"),
            *("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true"),
            f"-Dlog4j.configuration=file:{HERE / 'log4j.properties'}",
            *(f"-D{name}={value}" for name, value in self._properties.items()),
            *("-cp", self._classpath, "org.apache.synapse.SynapseServer"),
            *(str(self._home / "repository"), str(conf / "axis2.xml"), str(self._home), str(conf / "synapse.xml")),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                dying_with_parent(command),
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
            )

    def ready(self) -> bool:
        """Whether it said that it has started; fails when it ended instead."""
        assert self._process is not None
        text = self.log.read_text(errors="replace")
        assert self._process.poll() is None, f"the engine ended with {self._process.returncode}:\n{text[-3000:]}"
        assert "fail-safe" not in text, f"the engine left out what it could not read:\n{text[:6000]}"
        return "Apache Synapse started successfully" in text

    def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()
