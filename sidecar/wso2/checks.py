"""Look at what was rendered before anybody applies it: WSO2 drops a policy that it cannot read, and only logs it."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final
from xml.etree import ElementTree as ET

import yaml

from sidecar.model.errors import SidecarError

SYNAPSE: Final = "{http://ws.apache.org/ns/synapse}"
STEERING: Final = frozenset({"filter", "then", "else", "switch", "case", "default", "property", "header"})
"""What a policy may hold: it chooses where a request goes, and never sends it. WSO2 sends after all policies."""
CALLING: Final = (
    STEERING
    | {"call", "endpoint", "http", "timeout", "duration", "responseAction", "suspendOnFailure"}
    | {
        "markForSuspension",
        "errorCodes",
        "initialDuration",
        "progressionFactor",
        "maximumDuration",
    }
)
"""What a sequence backend may hold besides: non-blocking calls, with endpoints of their own."""
_CONTENT_FREE: Final = re.compile(r"\$(trp|ctx|axis2):")
_PARAMETER: Final = re.compile(r"\{\{\s*\w+\s*\}\}")
_TEMPLATE_SYNTAX: Final = re.compile(r"\{\{|\{%|\{#|\}\}|%\}|#\}|\$\{")


class RenderError(SidecarError):
    """What was rendered cannot be applied: a fault of the templates, never of the options."""


def check_file(path: str, text: str) -> None:
    """Check one file by what it is for.

    Raises:
        RenderError: it names the file and the fault.
    """
    troubles = list(_troubles(path, text))
    if troubles:
        raise RenderError(f"{path} is not fit to be applied: {'; '.join(troubles)}")


def _troubles(path: str, text: str) -> Iterator[str]:
    name = path.rsplit("/", 1)[-1]
    if path.endswith(".j2"):
        yield from policy_troubles(_PARAMETER.sub("x", text.replace("${ASYNC_", "(")), STEERING)
    elif "sequence-" in name and path.endswith(".xml"):
        yield from policy_troubles(text, CALLING)
    elif path.endswith(".xml"):
        yield from xml_troubles(text)
    elif path.endswith(".yaml"):
        yield from _readable(lambda: list(yaml.safe_load_all(text)), yaml.YAMLError)
    elif path.endswith(".toml"):
        yield from _readable(lambda: tomllib.loads(text), tomllib.TOMLDecodeError)
    if "[[" in text or "[%" in text:
        yield "a template was not filled"


def xml_troubles(text: str) -> Iterator[str]:
    """Tell what is wrong with Synapse configuration of any kind."""
    try:
        root = ET.fromstring(text)  # noqa: S314 - our own output, and no entities are declared in it
    except ET.ParseError as error:
        yield f"no XML ({error})"
        return
    for element in root.iter():
        for attribute in ("expression", "source", "xpath"):
            xpath = element.get(attribute)
            if xpath and "/" in xpath and not _CONTENT_FREE.search(xpath):
                yield f"the XPath {xpath} makes the gateway read the whole body"
        if _local(element) == "log" and element.get("level") != "custom":
            yield "a log of any other level than custom reads the body and shows it"


def policy_troubles(text: str, allowed: frozenset[str]) -> Iterator[str]:
    """Tell what is wrong with a policy or a sequence backend, which WSO2 puts into a sequence of its own."""
    if text.lstrip().startswith("<?"):
        yield "an XML prolog, behind which WSO2 keeps one mediator only"
    if found := _TEMPLATE_SYNTAX.search(text):
        yield f"{found[0]}, which WSO2 reads as a template"
    yield from xml_troubles(text)
    try:
        root = ET.fromstring(text)  # noqa: S314 - likewise
    except ET.ParseError:
        return
    strangers = sorted({_local(element) for element in root.iter()} - allowed)
    if strangers:
        yield f"mediators that do not belong here: {', '.join(strangers)}"
    for element in root.iter():
        if _local(element) == "call" and element.get("blocking") == "true":
            yield "a blocking call, which loses the body of a 202"


def _local(element: ET.Element) -> str:
    return element.tag.removeprefix(SYNAPSE)


def _readable(read: Any, fault: type[Exception]) -> Iterator[str]:
    try:
        read()
    except fault as error:
        yield f"it cannot be read ({error})"
