"""What helps: one sentence for each way in which a message cannot be sent, or is not taken."""

from collections.abc import Mapping
from types import MappingProxyType

from sidecar.deliver.decide import Delivered, PutOff, Silent
from sidecar.deliver.ends import Attempt
from sidecar.model.egress import EgressReason
from sidecar.model.reasons import DeliveryReason, OwnReason
from sidecar.offload.check import Finding

REFUSALS: Mapping[EgressReason, str] = MappingProxyType(
    {
        EgressReason.PORT: "add the port to webhook.ports",
        EgressReason.SPELLING: "write the address plainly",
        EgressReason.METADATA: "nothing: this is never called",
        EgressReason.LOOPBACK: "give an address that others reach; only a trial may allow_networks: [127.0.0.0/8]",
        EgressReason.UNUSABLE: "nothing: this is nobody's address",
        EgressReason.OWN: "if webhooks share a service's host and port, name a URL there by webhook.endpoints",
        EgressReason.DENIED: "take it out of webhook.deny_networks",
        EgressReason.NOT_PUBLIC: "add the host to webhook.allow_hosts, or its network to webhook.allow_networks",
    }
)

CREDENTIALS: Mapping[OwnReason, str] = MappingProxyType(
    {
        OwnReason.KEY_MANAGER_AWAY: "see to the key manager, the way there, and ca_file; messages wait meanwhile",
        OwnReason.KEY_MANAGER_REFUSES: "check client, secret, user, password, the grants of the client, and the scopes",
        OwnReason.UNREADABLE: "mend the file of the secret",
    }
)

ANSWERS: Mapping[DeliveryReason, str] = MappingProxyType(
    {
        DeliveryReason.UNAUTHORIZED: "does a service user match, and does the webhook trust its credentials?",
        DeliveryReason.NOT_SUBSCRIBED: "subscribe the service user's application to the API at the gateway",
        DeliveryReason.SCOPE_MISSING: "add the API's scope to the service user's scopes, and the role that grants it",
        DeliveryReason.FORBIDDEN: "its owner has to let this service user in",
        DeliveryReason.REDIRECT: "redirects are never followed: give the address that it leads to",
        DeliveryReason.GONE: "its owner took it away",
        DeliveryReason.TOO_LARGE: "real messages would be sent as links then",
        DeliveryReason.UNSUPPORTED_TYPE: "it has to take application/json; real messages would be sent as links then",
        DeliveryReason.REJECTED: "its owner knows why; perhaps it only refuses this test",
        DeliveryReason.SERVER_ERROR: "a fault of the webhook",
        DeliveryReason.TLS: "with TLS 1.3 a server may refuse our certificate, or the lack of one, only now",
        DeliveryReason.RESET: "the connection broke: does it demand a client certificate, or an https address?",
        DeliveryReason.TIMEOUT: "it has to answer within webhook.timeouts.total, and work afterwards",
    }
)


def verdict(attempt: Attempt | PutOff) -> Finding:
    """Tell what came of the test message."""
    if isinstance(attempt, PutOff):
        return Finding("fail", "message", f"not sent: {attempt.reason}", CREDENTIALS.get(attempt.reason, ""))
    decision = attempt.decision
    took = f"after {attempt.seconds:.1f} s"
    if isinstance(decision, Delivered):
        return Finding("ok", "message", f"taken, answered {decision.status} {took}")
    answered = "not answered" if decision.status is None else f"answered {decision.status}"
    later = "a real one would be sent again" if isinstance(decision, Silent) else "a real one would fail at once"
    text = f"{answered} {took}: {decision.reason}; {later}"
    return Finding("fail", "message", text, ANSWERS.get(decision.reason, ""))
