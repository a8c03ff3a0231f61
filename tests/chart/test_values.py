"""The chart's values: linted, closed, and wrong ones are told by name."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar import __version__
from tests.chart.conftest import MakeRendering
from tests.chart.rendering import (
    CHART,
    CLIENTS,
    MATRIX,
    TLS,
    Values,
    read_documents,
    run_helm,
    site,
    template_arguments,
)
from tests.chart.tools import Tools

Write = Callable[[Values], Path]
README = CHART.parent / "README.md"


@pytest.mark.parametrize("name", MATRIX)
def test_lint_finds_nothing(name: str, tools: Tools, write_values: Write) -> None:
    done = run_helm(tools, "lint", "--strict", str(CHART), "-f", str(write_values(MATRIX[name])))
    assert done.returncode == 0, done.stdout


SECRET = site(config={"database": {"dsn": "postgresql://sidecar@pg/sidecar", "password": "hunter2"}})
WRONG: dict[str, tuple[Values, str]] = {
    "an unknown value": (site(replicas=2), "replicas"),
    "an unknown value further in": (site(image={"name": "x"}), "name"),
    "a wrong kind": (site(replicaCount="two"), "replicaCount"),
    "latest": (site(image={"tag": "latest"}), "tag"),
    "an unknown setting": (site(config={"worker": {"drain": "30s"}}), "drain"),
    "a wrong setting": (site(config={"worker": {"drain_timeout": "soon"}}), "drain_timeout"),
    "a setting that is missing": ({"config": {"gateway": {}}}, "routes"),
    "a secret in the settings": (SECRET, "password"),
    "a password in the address": (
        site(config={"database": {"dsn": "postgresql://sidecar:pw@pg/sidecar"}}),
        "config.database.dsn holds a password",
    ),
    "a password in the address of migrations": (
        site(migrations={"dsn": "postgresql://pg/sidecar?password=pw"}),
        "migrations.dsn holds a password",
    ),
    "no database": (site(config={"database": {"dsn": ""}}), "dsn"),
    "probes without a path": (site(config={"admin": {"open": ["/metrics"]}}), "config.admin.open lacks /livez"),
    "probes without a certificate": (
        site(config={"admin": {"tls": {**TLS, **CLIENTS}}}),
        "config.admin.tls.client_certificates is required",
    ),
    "one port twice": (site(config={"admin": {"listen": "0.0.0.0:8080"}}), "three different ports"),
    "a port that nobody can name": (site(config={"admin": {"listen": "0.0.0.0:0"}}), "port 0"),
    "no room to roll": (site(updateStrategy={"maxSurge": 0}), "both 0"),
    "scaling to less than the least": (
        site(autoscaling={"enabled": True, "maxReplicas": 1}),
        "autoscaling.maxReplicas",
    ),
    "a secret that nobody brings": (site(secrets={"create": {"gateway-key": "k"}}), "which no Secret brings"),
    "a route without a gateway": (site(httpRoute={"enabled": True}), "httpRoute.parentRefs"),
    "a port that is none": (site(services={"gateway": {"port": 70000}}), "port"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values_are_refused_by_name(case: str, tools: Tools, write_values: Write) -> None:
    values, told = WRONG[case]
    done = run_helm(tools, *template_arguments(write_values(values), "1.34.0"))
    assert done.returncode != 0
    assert told in done.stderr


def test_no_refusal_repeats_a_secret(tools: Tools, write_values: Write) -> None:
    for values in (SECRET, site(config={"database": {"dsn": "postgresql://sidecar:hunter2@pg/sidecar"}})):
        assert "hunter2" not in run_helm(tools, *template_arguments(write_values(values), "1.34.0")).stderr


def test_both_versions_of_helm_lint_the_packaged_chart(tools: Tools, tmp_path: Path, write_values: Write) -> None:
    assert run_helm(tools, "package", str(CHART), "-d", str(tmp_path)).returncode == 0
    (archive,) = tmp_path.glob("sidecar-*.tgz")
    values = str(write_values(MATRIX["everything"]))
    done = run_helm(tools, "template", "sidecar", str(archive), "-f", values)
    assert done.returncode == 0, done.stderr
    assert "SidecarAbsent" in done.stdout  # the files travel along


def test_the_chart_has_the_version_of_the_sidecar() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__


def install_lines(page: Path) -> list[str]:
    """Each ``helm install`` and ``helm upgrade`` that a page tells people to run, continuation lines joined."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    return re.findall(r"^\$ (helm (?:install|upgrade) .*)$", text, flags=re.MULTILINE)


@pytest.mark.parametrize("page", [README, CHART.parent / "docs" / "kubernetes.md"], ids=lambda page: page.name)
def test_the_install_lines_of_the_pages_render_as_printed(page: Path, tools: Tools, monkeypatch: Any) -> None:
    monkeypatch.chdir(CHART.parent)
    lines = install_lines(page)
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)
        rest = [word for word in words[2:] if word not in {"--install", "--wait", "--create-namespace"}]
        done = run_helm(tools, "template", *rest)
        assert done.returncode == 0, done.stderr
        assert "Deployment" in {document["kind"] for document in read_documents(done.stdout)}


def test_numbers_reach_the_settings_unchanged(make_rendering: MakeRendering) -> None:
    made = make_rendering(site(config={"gateway": {"max_body": 104857600}, "worker": {"drain_timeout": 0.5}}))
    text = made.named("ConfigMap", "sidecar")["data"]["sidecar.yaml"]
    assert "max_body: 104857600\n" in text
    assert "drain_timeout: 0.5\n" in text


@pytest.mark.parametrize(
    ("drain", "seconds"),
    [("30s", 30), ("1m30s", 90), ("1h 1m", 3660), ("1500ms", 2), (45, 45), ("0s", 0), ("2.5m", 150), (None, 30)],
)
def test_the_grace_period_follows_the_drain_timeout(drain: Any, seconds: int, make_rendering: MakeRendering) -> None:
    config = {} if drain is None else {"worker": {"drain_timeout": drain}}
    made = make_rendering(site(config=config, preStopSeconds=7))
    assert made.served["spec"]["terminationGracePeriodSeconds"] == 7 + seconds + 30


def test_probes_and_monitoring_speak_tls_where_the_admin_listener_does(make_rendering: MakeRendering) -> None:
    for tls, scheme in ((None, None), (TLS, "HTTPS")):
        rendering = make_rendering(site(config={"admin": {"tls": tls}}, serviceMonitor={"enabled": True}))
        container = rendering.served["spec"]["containers"][0]
        probes = (container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness"))
        assert {probe["httpGet"].get("scheme") for probe in probes} == {scheme}
        (endpoint,) = rendering.of("ServiceMonitor")[0]["spec"]["endpoints"]
        assert endpoint.get("scheme") == (scheme and scheme.lower())
