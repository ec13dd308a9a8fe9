#!/usr/bin/env python3
"""Checks openapi.yaml: that it is valid OpenAPI, and that its examples and, with --replies, a server's replies fit its
schemas.

The replies are a file of lines `method <tab> path <tab> status <tab> prefix`, with the reply in prefix.head and
prefix.body; Tests/curl.sh writes it. With it, every operation must have been called and have succeeded once.
Prints `N passed, M failed` and exits 1 when M is not 0.
"""

import argparse
import json
import pathlib
import re
import sys
from urllib.parse import urlsplit

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SPECIFICATION = pathlib.Path(__file__).resolve().parent.parent / "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


class Report:
    def __init__(self):
        self.passed, self.failed = 0, 0

    def add(self, what, problems):
        if problems:
            self.failed += 1
            print(f"FAILED  {what}: {'; '.join(problems)}")
        else:
            self.passed += 1


class Specification:
    def __init__(self, path):
        self.document = yaml.safe_load(path.read_text(encoding="utf-8"))
        resource = Resource(contents=self.document, specification=DRAFT202012)
        self.registry = Registry().with_resource("urn:openapi", resource)
        self.operations = {
            (method, path): operation
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if method in METHODS
        }

    def problems(self, value, schema):
        """The errors of a value against a schema, which may refer to the document."""
        absolute = json.loads(json.dumps(schema).replace('"$ref": "#/', '"$ref": "urn:openapi#/'))
        validator = Draft202012Validator(absolute, registry=self.registry, format_checker=FormatChecker())
        found = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
        # Server-sent events have JSON as text, which a validator does not parse; OpenAI's last event is not JSON.
        content = schema.get("properties", {}).get("data", {}).get("contentSchema")
        if content and not found and value["data"] != "[DONE]":
            found = self.problems(json.loads(value["data"]), content)
        return found

    def resolved(self, node):
        while "$ref" in node:
            found = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def operation(self, method, path):
        """The template and operation of a request, or None where the document has no such operation."""
        for (known, template), operation in self.operations.items():
            pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
            if known == method.lower() and re.fullmatch(pattern, urlsplit(path).path):
                return (known, template), operation
        return None


def check_examples(specification, report):
    def visit(node, where):
        if isinstance(node, list):
            for i, item in enumerate(node):
                visit(item, f"{where}/{i}")
        elif isinstance(node, dict):
            if "schema" in node:
                examples = [node["example"]] if "example" in node else []
                examples += [example["value"] for example in node.get("examples", {}).values()]
                for example in examples:
                    # The schema does not have the status, since `default` is for several.
                    report.add(f"example at {where}", specification.problems(example, node["schema"]))
            for key, item in node.items():
                if key not in ("example", "examples"):
                    visit(item, f"{where}/{key}")

    visit(specification.document, "")


def last_head(text):
    """The header fields of the last head, in lower case: an interim reply (100) comes before it."""
    blocks = [block for block in text.replace("\r\n", "\n").split("\n\n") if block.strip()]
    pairs = (line.partition(":") for line in (blocks[-1] if blocks else "").split("\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def messages(kind, body):
    """The JSON values of a reply: one, or one for each line, or an object for each event, of a stream."""
    if kind == "application/x-ndjson":
        return [json.loads(line) for line in body.splitlines() if line]
    if kind == "text/event-stream":
        blocks = (block.splitlines() for block in body.replace("\r\n", "\n").split("\n\n"))
        pairs = ([line.partition(": ")[::2] for line in block if not line.startswith(":")] for block in blocks)
        return [event for event in map(dict, pairs) if event]
    return [json.loads(body)]


def check_reply(specification, status, described, head, body):
    problems = []
    described = specification.resolved(described)
    for name, header in described.get("headers", {}).items():
        if specification.resolved(header).get("required") and name.lower() not in head:
            problems.append(f"no {name}")
    content = described.get("content")
    if content is None:
        return problems + (["a body"] if status == 204 and body else [])
    kind = head.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in content:
        return problems + [f"Content-Type {kind or 'missing'} is none of {', '.join(content)}"]
    if not kind.endswith(("json", "event-stream")):
        return problems
    try:
        values = messages(kind, body)
    except ValueError as error:
        return problems + [f"not JSON: {error}"]
    for value in values:
        problems += specification.problems(value, content[kind]["schema"])
        if kind == "application/problem+json" and isinstance(value, dict) and value.get("status") != status:
            problems.append(f"the problem says {value.get('status')}")
    return problems


def check_replies(specification, path, report):
    unused = set(specification.operations)
    for line in path.read_text().splitlines():
        method, target, status, prefix = line.split("\t")
        head = last_head(pathlib.Path(prefix + ".head").read_text(errors="replace"))
        body = pathlib.Path(prefix + ".body").read_text(encoding="utf-8", errors="replace")
        found = specification.operation(method, target)
        if found:
            key, operation = found
            described = operation["responses"].get(status, operation["responses"].get("default"))
            if status.startswith("2"):
                unused.discard(key)
                if status not in operation["responses"]:
                    report.add(f"{method} {target}", [f"{status} is not in openapi.yaml"])
                    continue
        else:
            name = "OpenInferenceError" if target.startswith("/v2") else "Problem"
            described = {"$ref": f"#/components/responses/{name}"}
        report.add(f"{method} {target} {status}", check_reply(specification, int(status), described, head, body))
    for method, template in sorted(specification.operations):
        missing = (method, template) in unused
        report.add(f"{method.upper()} {template}", ["no successful reply was recorded"] if missing else [])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--replies", type=pathlib.Path)
    given = arguments.parse_args()

    report = Report()
    specification = Specification(SPECIFICATION)
    if given.replies:
        check_replies(specification, given.replies, report)
    else:
        errors = OpenAPIV31SpecValidator(specification.document).iter_errors()
        report.add("openapi.yaml", [error.message for error in errors])
        check_examples(specification, report)
    print(f"openapi: {report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
