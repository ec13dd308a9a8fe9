"""Settings of Schemathesis for this API, besides openapi.yaml."""

import json

import schemathesis
from schemathesis import HookContext


@schemathesis.serializer("application/x-ndjson")
def lines(context: object, value: object) -> bytes:
    """A body of one line."""
    return json.dumps(value).encode() + b"\n"


@schemathesis.hook
def filter_case(context: HookContext, case: schemathesis.Case) -> bool:
    """Any request may have further header fields (RFC 9110 section 5.1), which a server must not refuse."""
    return "x-schemathesis-unknown-property" not in (case.headers or {})
