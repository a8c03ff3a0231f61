"""Every rendered document: right by Kubernetes' own schemas, and right in what one says about another."""

import re
from collections.abc import Iterator
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


def test_all_versions_of_helm_render_the_same(rendering: Rendering, request: pytest.FixtureRequest) -> None:
    """The first version leaves what it rendered, the others compare."""
    seen = request.config.stash.setdefault(RENDERED, {})
    key = repr(yaml.safe_dump(dict(rendering.values)))
    ordered = sorted(rendering.documents, key=lambda document: (document["kind"], document["metadata"]["name"]))
    assert seen.setdefault(key, ordered) == ordered


RENDERED = pytest.StashKey[dict[str, list[Document]]]()
