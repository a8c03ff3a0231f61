"""The example site of wso2-config/: run as a module, it writes that folder anew.

``python -m tests.wso2.example``
"""

from pathlib import Path

from sidecar.settings.load import load_routes
from sidecar.wso2.site import Site, make_site
from sidecar.wso2.targets import ROUTINGS, TARGETS, Files, make_plan, render

FOLDER = Path(__file__).parents[2] / "wso2-config"
ROUTES = FOLDER / "routes.yaml"
MARK = "<!-- files -->\n"
BY_HAND = ("README.md", "routes.yaml")


def site(environment: str) -> Site:
    """The example site, on-premises and in AWS."""
    inside = {"onprem": "corp.example", "aws": "eu.internal.example"}[environment]
    return make_site(
        api="OrdersAPI",
        context="/orders",
        version="1.0.0",
        base_path="/demo/orders",
        sidecar_url=f"http://async-sidecar.{inside}:8080",
        backend_url=f"http://orders-backend.{inside}:9000/orders",
        sandbox_backend_url=f"http://orders-sandbox.{inside}:9000/orders",
        environment=environment,
    )


def rendered() -> Files:
    """All that `sidecar wso2 render` writes for the example site, below one folder for each target."""
    routes = load_routes(ROUTES)
    plan = make_plan(site("onprem"), routes)
    files = {f"{name}/{path}": text for name in TARGETS for path, text in render(name, plan).items()}
    there = render("api-project", make_plan(site("aws"), routes))
    return files | {f"api-project/{path}": text for path, text in there.items() if path.startswith("params/")}


def every_routing() -> dict[str, Files]:
    """The API project with each way to steer."""
    routes = load_routes(ROUTES)
    return {name: render("api-project", make_plan(site("onprem"), routes, routing=name)) for name in ROUTINGS}


def list_of_files() -> str:
    """The list at the end of the folder's README."""
    about = {name: target.about for name, target in TARGETS.items()}
    lines = ["- `README.md`: this page", "- `routes.yaml`: the route file that the rest is made of"]
    for name, files in _by_target(rendered()).items():
        lines.append(f"- `{name}/`: {about[name]}")
        lines += [f"  - `{path}`" for path in files]
    return "\n".join(lines) + "\n"


def _by_target(files: Files) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in files:
        found.setdefault(path.partition("/")[0], []).append(path)
    return found


def main() -> None:
    files = rendered()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and str(path.relative_to(FOLDER)) not in {*files, *BY_HAND}:
            path.unlink()
    for name, text in files.items():
        place = FOLDER / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    page = FOLDER / "README.md"
    page.write_text(page.read_text("utf-8").partition(MARK)[0] + MARK + list_of_files(), encoding="utf-8")


if __name__ == "__main__":
    main()
