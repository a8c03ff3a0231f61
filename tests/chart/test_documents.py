"""Every rendered document: right by Kubernetes' own schemas, and right in what one says about another."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sidecar.settings.load import build_settings
from tests.chart.conftest import MakeRendering
from tests.chart.rendering import MATRIX, NAMESPACE, OURS, Document, Rendering, site

FOREIGN = {"ServiceMonitor", "PrometheusRule", "HTTPRoute"}
"""Kinds that come with resource definitions of others: no schema of Kubernetes knows them."""

RELEASES = ["1.25.0", "1.30.0", "1.37.0"]
"""Beside the one that everything else is rendered for: where what the chart renders changes, and the newest."""

SECRET_NAMES = re.compile(r"PASSWORD|SECRET|TOKEN|KEY", re.IGNORECASE)
UNITS = {"": 1.0, "m": 0.001, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "k": 1e3, "M": 1e6, "G": 1e9}


def test_kubernetes_knows_every_field(rendering: Rendering) -> None:
    check_fields(rendering, "1.34.0")


@pytest.mark.parametrize("kube", RELEASES)
@pytest.mark.parametrize("name", ["everything", "nothing optional"])
def test_other_releases_of_kubernetes_know_every_field(name: str, kube: str, make_rendering: MakeRendering) -> None:
    check_fields(make_rendering(MATRIX[name], kube), kube)


def check_fields(rendering: Rendering, kube: str) -> None:
    documents = rendering.documents
    assert len({(document["kind"], document["metadata"]["name"]) for document in documents}) == len(documents)
    for document in documents:
        if document["kind"] not in FOREIGN:
            kubernetes_validate.validate(document, kube.rpartition(".")[0], strict=True)


def test_a_field_that_kubernetes_does_not_know_would_be_found(make_rendering: MakeRendering) -> None:
    deployment = yaml.safe_load(yaml.safe_dump(make_rendering(site()).named("Deployment", "sidecar")))
    deployment["spec"]["template"]["spec"]["containers"][0]["livenessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.34", strict=True)


def labels(document: Document) -> dict[str, str]:
    found: dict[str, str] = document["metadata"]["labels"]
    return found


def chosen(selector: dict[str, str], rendering: Rendering) -> set[str]:
    """The kinds of those whose pods a selector chooses."""
    return {owner["kind"] for owner, pod in rendering.pods if selector.items() <= labels(pod).items()}


def containers(rendering: Rendering) -> Iterator[tuple[Document, Document, Document]]:
    for owner, pod in rendering.pods:
        for container in pod["spec"]["containers"]:
            yield owner, pod, container


def test_every_object_is_labelled_and_has_a_name_that_fits(rendering: Rendering) -> None:
    for document in rendering.documents:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", document["metadata"]["name"])
        assert labels(document).keys() >= {"app.kubernetes.io/name", "app.kubernetes.io/instance", "helm.sh/chart"}
        assert all(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", v) for v in labels(document).values())


def test_services_lead_to_the_pods_that_serve_and_to_no_other(rendering: Rendering) -> None:
    services = rendering.of("Service")
    assert len(services) == 3
    serving = {owner["kind"] for owner, _ in rendering.pods} - {"Job", "Pod"}
    for service in services:
        assert chosen(service["spec"]["selector"], rendering) == serving
        (port,) = service["spec"]["ports"]
        for _, pod in rendering.pods:
            if service["spec"]["selector"].items() <= labels(pod).items():
                assert port["targetPort"] in {p["name"] for p in pod["spec"]["containers"][0]["ports"]}


def test_the_deployment_the_budget_and_the_policy_choose_the_pods_that_serve(rendering: Rendering) -> None:
    for deployment in rendering.of("Deployment"):
        assert chosen(deployment["spec"]["selector"]["matchLabels"], rendering) == {"Deployment"}
        for spread in deployment["spec"]["template"]["spec"].get("topologySpreadConstraints", ()):
            assert chosen(spread["labelSelector"]["matchLabels"], rendering) == {"Deployment"}
    for budget in rendering.of("PodDisruptionBudget"):
        assert chosen(budget["spec"]["selector"]["matchLabels"], rendering) == {"Deployment"}
    for policy in rendering.of("NetworkPolicy"):
        expected = "Job" if policy["metadata"]["name"].endswith("-migrate") else "Deployment"
        assert chosen(policy["spec"]["podSelector"]["matchLabels"], rendering) <= {expected}


def test_no_policy_lets_everybody_in(rendering: Rendering) -> None:
    for policy in rendering.of("NetworkPolicy"):
        assert "Ingress" in policy["spec"]["policyTypes"]
        for rule in policy["spec"].get("ingress") or ():
            assert rule["from"]


def test_an_empty_list_of_peers_means_nobody(make_rendering: MakeRendering) -> None:
    policy = make_rendering(MATRIX["nobody may come"]).named("NetworkPolicy", "sidecar")
    (rule,) = policy["spec"]["ingress"]  # only the pod of `helm test`
    assert rule["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "test"


def test_each_listener_has_peers_of_its_own(make_rendering: MakeRendering) -> None:
    peers = {name: [{"podSelector": {"matchLabels": {"is": name}}}] for name in ("gateway", "callbacks", "admin")}
    policy = make_rendering(site(networkPolicy=peers)).named("NetworkPolicy", "sidecar")
    found = {rule["ports"][0]["port"]: rule["from"] for rule in policy["spec"]["ingress"] if "ports" in rule}
    assert found == peers


def test_metadata_of_the_cloud_is_out_of_reach(make_rendering: MakeRendering) -> None:
    policy = make_rendering(site()).named("NetworkPolicy", "sidecar")
    blocks = [peer["ipBlock"] for peer in policy["spec"]["egress"][1]["to"] if "ipBlock" in peer]
    assert blocks == [
        {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]},
        {"cidr": "::/0", "except": ["fd00:ec2::254/128"]},
    ]


def test_probes_ask_ports_and_paths_that_are_there(rendering: Rendering) -> None:
    for _, _, container in containers(rendering):
        if "ports" not in container:
            continue
        settings = build_settings(settings_of(rendering))
        by_name = {port["name"]: port["containerPort"] for port in container["ports"]}
        paths = {}
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container[kind]["httpGet"]
            assert probe["port"] == "admin"
            assert probe.get("scheme", "HTTP") == ("HTTP" if settings.admin.tls is None else "HTTPS")
            paths[kind] = probe["path"]
        assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
        ports = (settings.gateway.listen.port, settings.callbacks.listen.port, settings.admin.listen.port)
        assert by_name == dict(zip(("gateway", "callbacks", "admin"), ports, strict=True))


def settings_of(rendering: Rendering, suffix: str = "") -> dict[str, Any]:
    (found,) = (
        document["data"]["sidecar.yaml"]
        for document in rendering.of("ConfigMap")
        if "sidecar.yaml" in document["data"] and document["metadata"]["name"].endswith("-migrate") is bool(suffix)
    )
    data: dict[str, Any] = yaml.safe_load(found)
    return data


def test_the_settings_are_such_that_the_sidecar_takes_them(rendering: Rendering) -> None:
    settings = build_settings(settings_of(rendering))
    if rendering.of("Job"):
        assert settings_of(rendering, "-migrate") == settings_of(rendering)
    services = {service["metadata"]["name"]: service for service in rendering.of("Service")}
    scheme, _, address = settings.callbacks.base_url.partition("://")
    assert scheme == ("http" if settings.callbacks.tls is None else "https")
    name, _, rest = address.partition(".")
    assert rest == f"{NAMESPACE}.svc:{services[name]['spec']['ports'][0]['port']}"


def names_of_sources(volume: Document) -> Iterator[tuple[str, str]]:
    if "configMap" in volume:
        yield "ConfigMap", volume["configMap"]["name"]
    if "secret" in volume:
        yield "Secret", volume["secret"]["secretName"]
    for source in volume.get("projected", {}).get("sources", ()):
        for kind, key in (("ConfigMap", "configMap"), ("Secret", "secret")):
            if key in source:
                yield kind, source[key]["name"]


def test_everything_that_is_mounted_is_there(rendering: Rendering) -> None:
    for owner, pod in rendering.pods:
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        for container in pod["spec"]["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes.keys()
        for volume in volumes.values():
            for kind, name in names_of_sources(volume):
                assert name in OURS or there(rendering, owner, kind, name), name


def there(rendering: Rendering, owner: Document, kind: str, name: str) -> bool:
    """Whether an object exists at that time: before install and upgrade there are only hooks of a lower weight."""
    found = rendering.named(kind, name)
    if owner["kind"] != "Job":
        return "helm.sh/hook" not in found["metadata"].get("annotations", {})
    return weight(found) < weight(owner)


def weight(document: Document) -> int:
    annotations = document["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
    return int(annotations["helm.sh/hook-weight"])


def test_accounts_are_there_when_they_are_needed(rendering: Rendering) -> None:
    for owner, pod in rendering.pods:
        name = pod["spec"].get("serviceAccountName", "default")
        assert name in {"default", *OURS} or there(rendering, owner, "ServiceAccount", name)


def amount(text: Any) -> float:
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text))
    assert found is not None
    return float(found[1]) * UNITS[found[2]]


def test_requests_are_within_limits_and_memory_is_limited(rendering: Rendering) -> None:
    for _, _, container in containers(rendering):
        if resources := container.get("resources"):
            limits = resources["limits"]
            assert "memory" in limits
            for name, request in resources["requests"].items():
                assert name not in limits or amount(request) <= amount(limits[name])


def test_images_have_a_version(rendering: Rendering) -> None:
    for _, _, container in containers(rendering):
        name, _, version = container["image"].rpartition(":")
        assert name
        assert version != "latest"
        assert "/" not in version


def test_no_container_is_more_powerful_than_it_must_be(rendering: Rendering) -> None:
    for owner, pod, container in containers(rendering):
        security = {**pod["spec"].get("securityContext", {}), **container["securityContext"]}
        assert security["runAsNonRoot"]
        assert security["runAsUser"] > 0
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        if owner["kind"] != "ConfigMap":  # another chart's pod has its own account
            assert not pod["spec"]["automountServiceAccountToken"]
            assert not pod["spec"]["enableServiceLinks"]


def test_no_secret_stands_in_the_environment_or_in_a_configmap(rendering: Rendering) -> None:
    for _, _, container in containers(rendering):
        for variable in container.get("env", ()):
            if SECRET_NAMES.search(variable["name"]) and not variable["name"].endswith("_FILE"):
                assert "value" not in variable
    for value in rendering.values.get("secrets", {}).get("create", {}).values():
        assert len(value) == 1 or value not in yaml.safe_dump(rendering.of("ConfigMap"))


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


def test_all_versions_of_helm_render_the_same(rendering: Rendering, request: pytest.FixtureRequest) -> None:
    """The first version leaves what it rendered, the others compare."""
    seen = request.config.stash.setdefault(RENDERED, {})
    key = repr(yaml.safe_dump(dict(rendering.values)))
    ordered = sorted(rendering.documents, key=lambda document: (document["kind"], document["metadata"]["name"]))
    assert seen.setdefault(key, ordered) == ordered


RENDERED = pytest.StashKey[dict[str, list[Document]]]()
