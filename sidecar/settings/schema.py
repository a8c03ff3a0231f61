"""The JSON Schema of the settings file, with defaults in words."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from sidecar.settings.addresses import ADDRESS_FORMAT, PORT_FORMAT, port_numbers
from sidecar.settings.root import Settings
from sidecar.settings.units import DURATION_FORMAT, SIZE_FORMAT, render_duration, render_size


class _InWords(GenerateJsonSchema):
    """Renders the defaults of durations, sizes and addresses as people write them."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Render one default."""
        rendered = super().default_schema(schema)
        default = rendered.get("default")
        if rendered.get("format") == ADDRESS_FORMAT:
            rendered["default"] = str(schema["default"])
        elif rendered.get("items", {}).get("format") == PORT_FORMAT:
            rendered["default"] = port_numbers(schema["default"])
        elif isinstance(default, int | float) and rendered.get("format") == DURATION_FORMAT:
            rendered["default"] = render_duration(default)
        elif isinstance(default, int) and rendered.get("format") == SIZE_FORMAT:
            rendered["default"] = render_size(default)
        return rendered


def settings_schema() -> dict[str, Any]:
    """Build the JSON Schema (2020-12) of the settings file; each setting has its description and default."""
    schema = Settings.model_json_schema(schema_generator=_InWords)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}
