"""Rendering the chart by real helm, over a matrix of values."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.chart.tools import Tools

CHART = Path(__file__).parents[2] / "helm"
NAMESPACE = "wso2"
OURS = ("sidecar-secrets", "corp-ca", "rds-ca", "elsewhere")
"""Names of objects that the site brings."""

Document = dict[str, Any]
Values = Mapping[str, Any]


def site(**over: Any) -> dict[str, Any]:
    """The smallest values that are whole, with ``over`` on top; ``config`` is merged by its sections."""
    config: dict[str, Any] = {
        "gateway": {"identity": {"type": "shared_secret", "secret_file": "/secrets/gateway-key"}},
        "callbacks": {"token_secrets_file": "/secrets/callback-tokens"},
        "database": {"dsn": "postgresql://sidecar@pg/sidecar", "password_file": "/secrets/db-password"},
        "routes": [{"path": "/orders", "services": [{"name": "billing", "url": "http://billing:9000/"}]}],
    }
    for section, keys in over.pop("config", {}).items():
        config[section] = {**config.get(section, {}), **keys} if isinstance(keys, dict) else keys
    return {"config": config, "secrets": {"existing": ["sidecar-secrets"]}, **over}


EVERYTHING = site(
    config={
        "gateway": {"listen": "[::]:9080", "max_body": 104857600},
        "admin": {"listen": "0.0.0.0:9082"},
        "worker": {"drain_timeout": "1m30s"},
    },
    workers=3,
    image={"registry": "registry.example", "digest": f"sha256:{'0' * 64}", "pullSecrets": ["elsewhere"]},
    certificates={"configMaps": ["corp-ca"], "secrets": ["elsewhere"]},
    migrations={"dsn": "postgresql://owner@direct/sidecar", "passwordFile": "/secrets/owner-password"},
    services={"gateway": {"type": "LoadBalancer", "port": 80, "annotations": {"internal": "yes"}}},
    autoscaling={"enabled": True},
    serviceMonitor={"enabled": True, "labels": {"release": "prometheus"}},
    prometheusRule={"enabled": True},
    dashboard={"enabled": True},
    httpRoute={"enabled": True, "parentRefs": [{"name": "gw"}], "hostnames": ["gw.example"], "paths": ["/orders", "/"]},
    podPatch={"enabled": True},
    extraEnv=[{"name": "SIDECAR_WORKER__DEAD_AFTER", "value": "20s"}],
    extraVolumes=[{"name": "more", "emptyDir": {}}],
    extraVolumeMounts=[{"name": "more", "mountPath": "/more"}],
    commonLabels={"team": "integration"},
    podAnnotations={"example/seen": "yes"},
    nodeSelector={"kubernetes.io/os": "linux"},
    tolerations=[{"key": "dedicated", "operator": "Exists"}],
    priorityClassName="high",
)

TLS = {"cert_file": "/certs/tls.crt", "key_file": "/certs/tls.key"}
CLIENTS = {"client_ca_file": "/certs/ca.crt", "client_certificates": "required"}

FILES = {name: yaml.safe_load((CHART / f"values-{name}.yaml").read_text()) for name in ("onprem", "aws", "dev")}

MATRIX: dict[str, Values] = {
    "smallest": site(),
    "everything": EVERYTHING,
    **FILES,
    "secrets of the chart": site(
        secrets={"create": {name: f"a-secret-{name}" for name in ("gateway-key", "callback-tokens", "db-password")}}
    ),
    "nothing optional": site(
        serviceAccount={"create": False, "name": "elsewhere"},
        migrations={"enabled": False},
        networkPolicy={"enabled": False},
        podDisruptionBudget={"enabled": False},
        topologySpread={"enabled": False},
        tests={"enabled": False},
        preStopSeconds=0,
        resources={},
    ),
    "in another pod": site(deployment={"enabled": False}, podPatch={"enabled": True}, networkPolicy={"enabled": False}),
    "nobody may come": site(networkPolicy={"gateway": [], "callbacks": [], "admin": [], "egress": {"enabled": False}}),
    "egress by name": site(networkPolicy={"egress": {"rules": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}}),
    "tls": site(
        config={
            "gateway": {"identity": {"type": "mtls"}, "tls": {**TLS, **CLIENTS}},
            "callbacks": {"token_secrets_file": "/secrets/callback-tokens", "tls": TLS},
            "admin": {"tls": TLS},
        },
        certificates={"secrets": ["elsewhere"]},
        serviceMonitor={"enabled": True},
    ),
    "a long name": site(fullnameOverride="a-name-that-is-much-too-long-to-be-a-name-of-anything-in-kubernetes"),
}


@dataclass
class Rendering:
    """What helm made of one set of values."""

    values: Values
    documents: list[Document] = field(default_factory=list)

    def of(self, kind: str) -> list[Document]:
        return [document for document in self.documents if document["kind"] == kind]

    def named(self, kind: str, name: str) -> Document:
        (found,) = (document for document in self.of(kind) if document["metadata"]["name"] == name)
        return found

    @cached_property
    def pods(self) -> list[tuple[Document, Document]]:
        """Each object that makes pods or is one, with the pod's metadata and spec."""
        found = []
        for document in self.documents:
            if document["kind"] in {"Deployment", "Job"}:
                found.append((document, document["spec"]["template"]))
            elif document["kind"] == "Pod":
                found.append((document, document))
            elif document["metadata"]["name"].endswith("-pod-patch"):
                found.append((document, yaml.safe_load(document["data"]["patch.yaml"])["spec"]["template"]))
        return found

    @property
    def served(self) -> Document:
        """The template of the pods that serve."""
        (template,) = (template for owner, template in self.pods if owner["kind"] == "Deployment")
        return template


def run_helm(tools: Tools, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm to its end, without a cluster."""
    return subprocess.run([str(tools.helm), *arguments], capture_output=True, text=True, check=False)


def template_arguments(path: Path, kube: str, *more: str, release: str = "sidecar") -> Sequence[str]:
    return ["template", release, str(CHART), "-n", NAMESPACE, "-f", str(path), "--kube-version", kube, *more]


def read_documents(text: str) -> list[Document]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, ten times as fast
    return [document for document in yaml.load_all(text, Loader=loader) if document]  # a SafeLoader in both cases
