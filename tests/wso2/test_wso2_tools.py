"""WSO2's own tools, and those that it is built on, take what is shipped."""

import zipfile
from pathlib import Path

import pytest

from sidecar.wso2.checks import STEERING, policy_troubles
from tests.conftest import ENGINE
from tests.wso2.conftest import RecordProperty, run_program
from tests.wso2.engine.gateway import parametrised
from tests.wso2.engine.maven import JINJAVA, classpath, maven, program
from tests.wso2.example import every_routing, rendered

HERE = Path(__file__).parent
FILES = rendered()


@pytest.fixture(scope="module")
def jinjava_classpath(tmp_path_factory: pytest.TempPathFactory) -> str:
    return classpath(tmp_path_factory.mktemp("jinjava") / "maven", f"com.hubspot.jinjava:jinjava:{JINJAVA}")


@pytest.fixture
def jinjava(jinjava_classpath: str, record_property: RecordProperty) -> str:
    record_property(ENGINE, f"Jinjava {JINJAVA}")
    return jinjava_classpath


@pytest.mark.parametrize(
    "policy", ["policy/asyncCallbackRouter/asyncCallbackRouter", "policy-streaming/asyncCallbackHost/asyncCallbackHost"]
)
async def test_the_template_engine_of_api_manager_fills_a_policy_as_the_tests_do(
    jinjava: str, tmp_path: Path, policy: str
) -> None:
    template = FILES[f"{policy}.j2"]
    (tmp_path / "policy.j2").write_text(template)
    names = dict.fromkeys(part.partition("}}")[0] for part in template.split("{{")[1:])
    parameters = {name: f"http://{name.lower()}.example/a?b=1&amp;c=2" for name in names}
    given = [f"{name}={value}" for name, value in parameters.items()]
    java = [program("java"), "-cp", jinjava, str(HERE / "engine" / "Fill.java"), str(tmp_path / "policy.j2")]
    code, printed = await run_program(*java, *given)
    assert (code, printed) == (0, parametrised(template, parameters))
    assert not list(policy_troubles(printed, STEERING))


async def test_a_sequence_backend_passes_the_template_engine_unchanged(jinjava: str, tmp_path: Path) -> None:
    text = FILES["sequence-backend/sequence-production.xml"]
    (tmp_path / "sequence.xml").write_text(text)
    java = [program("java"), "-cp", jinjava, str(HERE / "engine" / "Fill.java"), str(tmp_path / "sequence.xml")]
    assert await run_program(*java) == (0, text)


def test_the_packager_of_wso2_makes_an_archive_of_the_shipped_project(
    tmp_path: Path, record_property: RecordProperty
) -> None:
    record_property(ENGINE, "vscode-car-plugin 5.4.12 of WSO2")
    for path, text in FILES.items():
        if path.startswith("micro-integrator/"):
            place = tmp_path / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    maven(tmp_path / "micro-integrator", "package")
    with zipfile.ZipFile(tmp_path / "micro-integrator" / "target" / "OrdersAPI_1.0.0.car") as archive:
        packed = {name for name in archive.namelist() if name.endswith(".xml")}
    wanted = {f"{name}_1.0.0/{name}-1.0.0.xml" for name in ("OrdersAPI", "AsyncRouteSeq", "AsyncFaultSeq")}
    assert wanted | {"SidecarEP_1.0.0/SidecarEP-1.0.0.xml", "BackendEP_1.0.0/BackendEP-1.0.0.xml"} <= packed


def test_every_policy_of_the_projects_is_found_by_apictl_under_its_name() -> None:
    for routing, files in every_routing().items():
        policies = sorted(Path(path).name for path in files if "/Policies/" in path)
        assert (
            policies
            == {
                "policy": ["asyncCallbackRouter_v1.j2", "asyncCallbackRouter_v1.yaml"],
                "policy-streaming": ["asyncCallbackHost_v1.j2", "asyncCallbackHost_v1.yaml"],
                "sequence-backend": [],
            }[routing]
        )
