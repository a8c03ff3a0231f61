"""The Synapse configuration of a whole gateway: one API for each variant, and what stands in for API Manager around it.

API Manager's handlers know the caller before a policy runs; here test headers say who it is. Apache Synapse lacks two
things of WSO2's fork, which are translated, and nothing else is: `<call>` becomes `<send>`, and an `<http>` endpoint
becomes an `<address>` endpoint. WSO2's fork passes the body of a 202 on; Apache's takes it for built, which is undone.
"""

import re
from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

VERSION = "1.0.0"

# As APIAuthenticationHandler and CORSRequestHandler of API Manager leave them.
CALLER = """
<property name="AM_KEY_TYPE" expression="$trp:x-test-key-type"/>
<property name="api.ut.application.id" expression="$trp:x-test-application"/>
"""
ANSWER = '<property name="message.builder.invoked" scope="axis2" value="false" type="BOOLEAN"/><send/>'


def api(name: str, mediators: str, *, caller: bool = True, fault: str = "fault") -> str:
    """One API that runs the mediators for whatever comes below its context."""
    return (
        f'<api name={quoteattr(name)} context="/{name}/{VERSION}">'
        '<resource methods="GET POST PUT DELETE" url-mapping="/*">'
        f"<inSequence>{CALLER if caller else ''}{mediators}</inSequence>"
        f"<outSequence>{ANSWER}</outSequence>"
        f'<faultSequence><sequence key="{fault}"/></faultSequence></resource></api>'
    )


# What API Manager's fault sequence answers: 500 with the code of the engine (101503: no connection).
FAULT = """
<sequence name="main"><drop/></sequence>
<sequence name="fault">
  <log level="custom" category="WARN"><property name="code" expression="get-property('ERROR_CODE')"/></log>
  <header name="To" action="remove"/>
  <property name="RESPONSE" value="true"/>
  <property name="HTTP_SC" scope="axis2" value="500"/>
  <property name="x-test-code" scope="transport" expression="get-property('ERROR_CODE')"/>
  <property name="NO_ENTITY_BODY" scope="axis2" action="remove"/>
  <send/>
</sequence>
"""

TO_ENDPOINT = """
<send><endpoint><default>
  <timeout><duration>60000</duration><responseAction>fault</responseAction></timeout>
  <suspendOnFailure><errorCodes>-1</errorCodes><initialDuration>0</initialDuration><progressionFactor>1.0</progressionFactor>
    <maximumDuration>0</maximumDuration></suspendOnFailure>
  <markForSuspension><errorCodes>-1</errorCodes></markForSuspension>
</default></endpoint></send>
"""
"""What API Manager makes of the endpoint of our api.yaml: dynamic, with suspendDuration 0."""


def parametrised(policy: str, parameters: Mapping[str, str]) -> str:
    """Fill a policy as API Manager does: the values as they are, without escaping."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parameters[found[1]], policy)


def as_apache(mediators: str) -> str:
    """Translate the two things that Apache Synapse lacks."""
    translated = re.sub(r'<http uri-template="([^"]*)">', r'<address uri="\1">', mediators)
    translated = translated.replace("</http>", "</address>")
    return translated.replace("<call>", "<send>").replace("</call>", "</send>")
