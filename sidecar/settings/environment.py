"""Settings from the environment: ``SIDECAR_DATABASE__DSN`` is ``database.dsn``."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings.exceptions import SettingsError

from sidecar.model.errors import ConfigError
from sidecar.settings.root import Settings

PREFIX: Final = "SIDECAR_"
DELIMITER: Final = "__"


class _Environment(EnvSettingsSource):
    """The library's own source, on the environment it is given."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self.env_vars = {name.lower(): value for name, value in environ.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Decode JSON, and leave words to the setting: a list may also be written ``a,b``."""
        if isinstance(value, str) and not value.lstrip().startswith(("[", "{")):
            return value
        return super().decode_complex_value(field_name, field, value)


def read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Gather the settings that the environment gives, nested as in the file.

    Names without a double underscore are left alone, except for whole sections in JSON: Kubernetes itself sets names
    such as ``SIDECAR_SERVICE_HOST``.

    Raises:
        ConfigError: JSON that cannot be read, or a section that does not exist; values are never told.
    """
    unknown = sorted(name for name in environ if _is_setting(name) and _section(name) not in Settings.model_fields)
    if unknown:
        sections = ", ".join(Settings.model_fields)
        raise ConfigError("\n".join(f"{name}: is no section; the sections are {sections}" for name in unknown))
    try:
        return _Environment(Settings, environ)()
    except SettingsError as error:
        raise ConfigError(f"environment: {error}; write JSON, or words with commas for a plain list") from error


def _is_setting(name: str) -> bool:
    return name.upper().startswith(PREFIX) and DELIMITER in name


def _section(name: str) -> str:
    return name[len(PREFIX) :].partition(DELIMITER)[0].lower()
