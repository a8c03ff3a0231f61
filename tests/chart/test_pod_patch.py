"""The container in another chart's pod: real kubectl applies the patch."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.chart.conftest import MakeRendering
from tests.chart.rendering import MATRIX
from tests.chart.tools import Tools

FOREIGN = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "wso2am-gateway"},
    "spec": {
        "selector": {"matchLabels": {"app.kubernetes.io/name": "gateway"}},
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/name": "gateway"}},
            "spec": {
                "containers": [{"name": "wso2am", "image": "wso2am:4.7.0", "ports": [{"containerPort": 8243}]}],
                "volumes": [{"name": "repository", "emptyDir": {}}],
            },
        },
    },
}


def patched(tools: Tools, folder: Path, live: dict[str, Any], patch: str) -> Any:
    (folder / "live.yaml").write_text(yaml.safe_dump(live))
    (folder / "patch.yaml").write_text(patch)
    done = subprocess.run(
        [str(tools.kubectl), "patch", "--local", "-f", "live.yaml", "--patch-file", "patch.yaml", "-o", "yaml"],
        cwd=folder,
        env={"HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return yaml.safe_load(done.stdout)


def test_the_patch_adds_the_container_and_leaves_the_others_alone(
    tools: Tools, make_rendering: MakeRendering, tmp_path: Path
) -> None:
    made = make_rendering(MATRIX["in another pod"])
    assert made.of("Deployment") == []
    patch = made.named("ConfigMap", "sidecar-pod-patch")["data"]["patch.yaml"]
    once = patched(tools, tmp_path, FOREIGN, patch)
    pod = once["spec"]["template"]
    assert {container["name"] for container in pod["spec"]["containers"]} == {"sidecar", "wso2am"}
    (theirs,) = (container for container in pod["spec"]["containers"] if container["name"] == "wso2am")
    assert theirs == FOREIGN["spec"]["template"]["spec"]["containers"][0]  # type: ignore[index]
    assert "repository" in {volume["name"] for volume in pod["spec"]["volumes"]}
    assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == "gateway"  # their selector still fits
    for service in made.of("Service"):
        assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert patched(tools, tmp_path, once, patch) == once  # to apply it again changes nothing
