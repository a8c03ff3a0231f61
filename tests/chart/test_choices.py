"""What a choice among the values changes in the rendered documents."""

from pathlib import Path
from typing import Any

import yaml

from tests.chart.conftest import MakeRendering
from tests.chart.rendering import MATRIX, NAMESPACE, site
from tests.chart.test_documents import labels


def test_the_pause_before_sigterm_needs_no_shell(make_rendering: MakeRendering) -> None:
    def pause(kube: str) -> Any:
        return make_rendering(site(), kube).served["spec"]["containers"][0]["lifecycle"]["preStop"]

    assert pause("1.34.0") == {"sleep": {"seconds": 5}}
    assert pause("1.29.0") == {"exec": {"command": ["python", "-c", "import time; time.sleep(5)"]}}


def test_new_settings_and_new_secrets_roll_the_pods(make_rendering: MakeRendering) -> None:
    def checksums(**over: Any) -> Any:
        return make_rendering(site(**over)).served["metadata"]["annotations"]

    secrets = {"create": {"a": "1"}, "existing": ["sidecar-secrets"]}
    others = {"create": {"a": "2"}, "existing": ["sidecar-secrets"]}
    assert checksums() == checksums(replicaCount=7)
    assert checksums() != checksums(config={"worker": {"drain_timeout": "31s"}})
    assert checksums(secrets=secrets) != checksums(secrets=others)


def test_the_autoscaler_and_the_deployment_do_not_quarrel_over_replicas(make_rendering: MakeRendering) -> None:
    made = make_rendering(MATRIX["everything"])
    assert "replicas" not in made.named("Deployment", "sidecar")["spec"]
    (scaler,) = made.of("HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "sidecar"}


def test_listeners_with_tls_are_spoken_to_by_tls(make_rendering: MakeRendering) -> None:
    made = make_rendering(MATRIX["tls"])
    assert {service["spec"]["ports"][0]["appProtocol"] for service in made.of("Service")} == {"https"}
    (pod,) = made.of("Pod")
    asked = pod["spec"]["containers"][1]["args"][1:]  # not the gateway listener, which wants a certificate
    assert asked == ["https://sidecar-admin:8082/readyz", "https://sidecar-callbacks:8081/"]


def test_the_migration_may_have_a_connection_of_its_own(make_rendering: MakeRendering) -> None:
    made = make_rendering(MATRIX["everything"])
    (job,) = (pod for owner, pod in made.pods if owner["kind"] == "Job")
    env = {variable["name"]: variable["value"] for variable in job["spec"]["containers"][0]["env"]}
    assert env == {
        "SIDECAR_DATABASE__DSN": "postgresql://owner@direct/sidecar",
        "SIDECAR_DATABASE__PASSWORD_FILE": "/secrets/owner-password",
        "SIDECAR_WORKER__DEAD_AFTER": "20s",
    }


def test_the_monitor_scrapes_the_admin_service_and_no_other(make_rendering: MakeRendering) -> None:
    made = make_rendering(MATRIX["everything"])
    (monitor,) = made.of("ServiceMonitor")
    selector = monitor["spec"]["selector"]["matchLabels"]
    (service,) = (service for service in made.of("Service") if selector.items() <= labels(service).items())
    assert service["metadata"]["name"] == "sidecar-admin"
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [NAMESPACE]}


def test_the_route_sends_what_has_a_callback_url_to_the_gateway_listener(make_rendering: MakeRendering) -> None:
    made = make_rendering(MATRIX["everything"])
    (route,) = made.of("HTTPRoute")
    assert [rule["matches"][0]["path"]["value"] for rule in route["spec"]["rules"]] == ["/orders", "/", "/_jobs"]
    assert route["spec"]["rules"][-1]["matches"][1]["path"] == {"type": "Exact", "value": "/_keys"}
    for rule in route["spec"]["rules"]:
        (backend,) = rule["backendRefs"]
        assert backend == {"name": "sidecar-gateway", "port": 80}
        assert made.named("Service", backend["name"])["spec"]["ports"][0]["port"] == backend["port"]
    assert all("headers" in rule["matches"][0] for rule in route["spec"]["rules"][:-1])


def test_the_files_for_monitoring_travel_as_they_are(make_rendering: MakeRendering) -> None:
    made = make_rendering(MATRIX["everything"])
    files = Path(__file__).parents[2] / "helm" / "files"
    (rule,) = made.of("PrometheusRule")
    assert rule["spec"] == yaml.safe_load((files / "alerts.yaml").read_text("utf-8"))
    elsewhere = {**MATRIX["everything"], "prometheusRule": {"enabled": True, "runbooks": "https://wiki.example/ops"}}
    (rule,) = make_rendering(elsewhere).of("PrometheusRule")
    links = [one["annotations"]["runbook_url"] for group in rule["spec"]["groups"] for one in group["rules"]]
    assert all(link.startswith("https://wiki.example/ops#sidecar") for link in links)
    dashboard = made.named("ConfigMap", "sidecar-dashboard")["data"]["sidecar.json"]
    assert yaml.safe_load(dashboard) == yaml.safe_load((files / "dashboard.json").read_text("utf-8"))
