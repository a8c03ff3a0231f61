"""How the gateway is known, and what its applications may do: made from the settings."""

from sidecar.accept.backend_jwt import BackendJwt, Claims
from sidecar.accept.identity import ClientCertificate, Identity, NoIdentity, SharedSecret
from sidecar.accept.keyring import Keyring
from sidecar.accept.quotas import Counts, Quotas
from sidecar.model.quota import Quota
from sidecar.outbound.jwks import JwksClient
from sidecar.settings import gateway as settings
from sidecar.settings.secrets import read_secrets
from sidecar.telemetry.log import EventLog
from sidecar.telemetry.metrics import Metrics


def make_identity(chosen: settings.Identity, *, log: EventLog) -> tuple[Identity, Keyring | None]:
    """Make the way to verify the gateway, and the keys that it needs to be kept up, if it needs any.

    Raises:
        ConfigError: A file that it needs cannot be used.
    """
    if isinstance(chosen, settings.SharedSecret):
        secrets = read_secrets(chosen.secret, chosen.secret_file)
        return SharedSecret(chosen.header, [secret.get_secret_value() for secret in secrets]), None
    if isinstance(chosen, settings.ClientCertificate):
        return ClientCertificate(chosen.known_names), None
    if isinstance(chosen, settings.BackendJwt):
        keyring = Keyring(jwks_client(chosen), interval=chosen.refresh, log=log)
        claims = Claims(
            issuer=chosen.issuer,
            application=chosen.application_claim,
            dialect=chosen.dialect,
            leeway=chosen.leeway,
        )
        return BackendJwt(chosen.header, claims, keyring=keyring), keyring
    return NoIdentity(), None


def jwks_client(chosen: settings.BackendJwt) -> JwksClient:
    """Make what fetches the gateway's keys.

    Raises:
        ConfigError: The file of authorities cannot be used.
    """
    return JwksClient(chosen.jwks_url, ca_file=chosen.ca_file, proxy=chosen.proxy, setting="gateway.identity.ca_file")


def make_quotas(gateway: settings.GatewaySettings, *, counts: Counts, metrics: Metrics) -> Quotas | None:
    """Make the limits of applications; ``None`` where nobody is verified, and so nobody is told apart."""
    if isinstance(gateway.identity, settings.NoIdentity):
        return None
    most = gateway.per_application
    quota = Quota(most.requests_per_second, running_jobs=most.running_jobs, stored=most.stored)
    return Quotas(quota, counts=counts, limited=metrics.application_limited)
