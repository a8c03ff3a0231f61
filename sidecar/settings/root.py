"""The root of the settings."""

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sidecar.settings.admin import AdminSettings
from sidecar.settings.callbacks import CallbackSettings
from sidecar.settings.database import DatabaseSettings
from sidecar.settings.gateway import GatewaySettings
from sidecar.settings.offload import OffloadSettings
from sidecar.settings.retention import RetentionSettings
from sidecar.settings.retry import RetrySettings
from sidecar.settings.routes import RouteSettings
from sidecar.settings.sealing import SealingSettings
from sidecar.settings.services import ServicesSettings
from sidecar.settings.telemetry import TelemetrySettings
from sidecar.settings.webhook import WebhookSettings
from sidecar.settings.worker import WorkerSettings


class Settings(BaseSettings):
    """All settings. :func:`sidecar.settings.load.load_settings` makes them, and checks them against each other."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        env_prefix="SIDECAR_",
        env_nested_delimiter="__",
        title="Settings of the mediation sidecar",
    )

    gateway: GatewaySettings
    """The listener that the gateway calls."""
    callbacks: CallbackSettings
    """The listener that services call back."""
    admin: AdminSettings = AdminSettings()
    """The listener for operators, probes and metrics."""
    database: DatabaseSettings
    """Postgres, where the ledger lives."""
    worker: WorkerSettings = WorkerSettings()
    """A worker process."""
    offload: OffloadSettings | None = None
    """The object store for large bodies. Unset: all bodies live in Postgres."""
    services: ServicesSettings = ServicesSettings()
    """How services are called."""
    webhook: WebhookSettings = WebhookSettings()
    """Messages to the callers' webhooks."""
    retry: RetrySettings = RetrySettings()
    """The retry sequence of messages to the webhook."""
    sealing: SealingSettings = SealingSettings()
    """Callers' credentials in the database."""
    retention: RetentionSettings = RetentionSettings()
    """How long things are kept."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """What the sidecar tells about itself."""
    routes: tuple[RouteSettings, ...] = Field(min_length=1)
    """Which services a request goes to."""

    @property
    def stores_objects(self) -> bool:
        """Whether large bodies go to an object store."""
        return self.offload is not None and self.offload.bucket is not None

    @property
    def threshold(self) -> int:
        """Largest body in bytes that lives in Postgres."""
        if self.offload is None or self.offload.bucket is None:
            return self.database.max_body
        return min(self.offload.threshold, self.database.max_body)

    @property
    def max_request_body(self) -> int:
        """Largest request body in bytes that can be taken and stored."""
        most = self.gateway.max_body
        return most if self.stores_objects else min(most, self.database.max_body)

    @property
    def max_callback_body(self) -> int:
        """Largest callback body in bytes that can be taken and stored; also of a response that is a result."""
        most = self.callbacks.max_body
        return most if self.stores_objects else min(most, self.database.max_body)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what the constructor is given and nothing else: loading decides which file and environment count."""
        return (init_settings,)
