#!/bin/sh
# Two requests through the gateway: the first must be answered by the backend, the second by the sidecar.
#   GATEWAY=https://gw.example:8243 TOKEN=... CALLBACK_URL=https://hooks.example/results sh smoke.sh
set -eu
url="${GATEWAY:?the gateway, like https://gw.example:8243}/orders/1.0.0/7/report"
hook="${CALLBACK_URL:?a webhook that the sidecar may call, like https://hooks.example/results}"

headers() {
  curl --silent --show-error --output /dev/null --dump-header - --request POST --data '{}' \
    --header 'content-type: application/json' ${TOKEN:+--header "authorization: Bearer $TOKEN"} "$@" "$url" | tr -d '\r'
}

without=$(headers)
if printf '%s\n' "$without" | grep -qi '^x-job-id:'; then
  echo "WRONG: without callback-url the sidecar answered:"
  printf '%s\n' "$without"
  exit 1
fi
with=$(headers --header "callback-url: $hook")
if ! printf '%s\n' "$with" | grep -qi '^x-job-id:'; then
  echo "WRONG: with callback-url no sidecar accepted it (see the troubleshooting in docs/wso2.md):"
  printf '%s\n' "$with"
  exit 1
fi
echo "Right. Without callback-url: $(printf '%s\n' "$without" | head -n 1). With it: $(printf '%s\n' "$with" | head -n 1)"
