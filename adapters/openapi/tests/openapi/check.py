"""Checks an OpenAPI or AsyncAPI document: by the validator of the specification, and that each example is valid for the
schema beside it. Prints each fault, and how much there was to check."""

import json
import sys

from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

with open(sys.argv[1], encoding="utf-8") as file:
    document = json.load(file)

faults = []
checked = 0

if "openapi" in document:
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        faults.append(f"{list(error.absolute_path)}: {error.message}")

registry = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))


def pointer(path):
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return "".join(f"/{part}" for part in parts).replace("%", "%25").replace(" ", "%20")


def check(path, value):
    global checked
    checked += 1
    validator = Draft202012Validator(
        {"$ref": f"urn:document#{pointer(path)}"}, registry=registry, format_checker=FormatChecker()
    )
    for error in validator.iter_errors(value):
        faults.append(f"{path}: {error.message} in the example {json.dumps(value)}")


def walk(value, path):
    if isinstance(value, list):
        for index, item in enumerate(value):
            walk(item, path + [index])
    elif isinstance(value, dict):
        if "schema" in value:
            Draft202012Validator.check_schema(value["schema"])
            if "example" in value:
                check(path + ["schema"], value["example"])
            for example in (value.get("examples") or {}).values():
                check(path + ["schema"], example["value"])
        if "payload" in value and isinstance(value.get("examples"), list):
            for example in value["examples"]:
                for part in ("payload", "headers"):
                    if part in example and part in value:
                        check(path + [part], example[part])
        for key, item in value.items():
            walk(item, path + [key])


walk(document, [])
for name, schema in document["components"]["schemas"].items():
    Draft202012Validator.check_schema(schema)

for fault in faults:
    print(fault)
print(f"{checked} examples")
sys.exit(1 if faults else 0)
