"""What a service is sent: the caller's headers, and those that let it answer us."""

from sidecar.model.callback_token import CallbackTokens, TokenKind
from sidecar.model.headers import decode_block
from sidecar.model.invocation import Invocation
from sidecar.model.route import Completion
from sidecar.model.trace import child_span

LOOP_MARKER = "x-async-sidecar"


def callback_token(invocation: Invocation, tokens: CallbackTokens) -> str:
    """Make the token of a call's callback address."""
    call = invocation.call
    kind = TokenKind.RULED if call.failed_when else TokenKind.PLAIN
    return tokens.make(invocation.job_id, call.service, kind)


def service_headers(
    invocation: Invocation, *, tokens: CallbackTokens, callbacks_url: str, marker: str, upload_url: str | None = None
) -> list[tuple[str, str]]:
    """Build the headers of one call.

    Args:
        invocation: The call.
        tokens: Makes the token of the callback address.
        callbacks_url: Where services reach the callback listener, without a trailing slash.
        marker: Names this installation, so that a request that comes back to it is seen as a loop.
        upload_url: A link by which the service may upload its result.
    """
    call = invocation.call
    dropped = {name.lower() for name in call.strip_headers}
    if not any(name.lower() == "cookie" for name in call.forward_headers):
        dropped.add("cookie")
    headers = [pair for pair in decode_block(invocation.headers) if pair[0].lower() not in dropped]
    job_id = str(invocation.job_id)
    if call.original_callback:
        headers.append(("callback-url", invocation.callback_url))
    elif call.completion is Completion.CALLBACK:
        token = callback_token(invocation, tokens)
        headers.append(("callback-url", f"{callbacks_url}/callbacks/{job_id}/{call.service}/{token}"))
    headers += [
        ("x-original-callback-url", invocation.callback_url),
        ("x-correlation-id", invocation.correlation_id),
        ("x-job-id", job_id),
        ("idempotency-key", f'"{job_id}:{call.service}"'),
        (LOOP_MARKER, marker),
    ]
    if upload_url is not None:
        headers.append(("result-upload-url", upload_url))
    if invocation.traceparent:
        headers.append(("traceparent", child_span(invocation.traceparent)))
    return headers
