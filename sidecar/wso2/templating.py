"""Fill the templates that ship with this package."""

import json
from typing import Any, Final
from xml.sax.saxutils import escape

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

# The output holds templates of WSO2's own, in double braces, so ours are written with brackets.
_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("sidecar.wso2", "templates"),
    block_start_string="[%",
    block_end_string="%]",
    variable_start_string="[[",
    variable_end_string="]]",
    comment_start_string="[#",
    comment_end_string="#]",
    autoescape=select_autoescape(["xml", "j2"]),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


def fill(template: str, /, **values: Any) -> str:
    """Fill one template; values are escaped for XML where it makes XML, and ``quoted`` quotes for YAML and TOML."""
    return _ENVIRONMENT.get_template(template).render(**values)


def quoted(value: object) -> str:
    """Quote for YAML and TOML: both read the strings of JSON."""
    return json.dumps(str(value))


def parameter(value: object) -> str:
    """Quote a policy's parameter: WSO2 puts it into XML as it is, so it must be escaped before."""
    return quoted(escape(str(value), {'"': "&quot;"}))


_ENVIRONMENT.filters.update(quoted=quoted, parameter=parameter)
