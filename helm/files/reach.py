"""Ask each address for an answer of the sidecar: a problem of its own counts, a missing service does not.

Certificates are not checked here: the question is who answers, and nothing is told.
"""

import ssl
import sys
import urllib.error
import urllib.request
from http.client import SERVICE_UNAVAILABLE

OURS = ("application/problem+json", "application/json")
UNCHECKED = ssl.create_default_context()
UNCHECKED.check_hostname = False
UNCHECKED.verify_mode = ssl.CERT_NONE

failed = 0
for url in sys.argv[1:]:
    try:
        try:
            answer = urllib.request.urlopen(url, timeout=10, context=UNCHECKED)
        except urllib.error.HTTPError as error:
            answer = error
        kind = answer.headers.get("content-type", "")
        well = kind.startswith(OURS) and answer.status != SERVICE_UNAVAILABLE
        print(url, answer.status, kind, "ok" if well else "NOT the sidecar, or not ready")
    except OSError as error:
        well = False
        print(url, "NOT reached:", error)
    failed += not well
sys.exit(failed)
