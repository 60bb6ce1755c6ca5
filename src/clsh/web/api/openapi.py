"""The OpenAPI 3.1 description of the API, made from its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.web.api.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clsh.web.api.entry import Entry
    from clsh.web.asking import Parameter

_KINDS = {"text": "string", "choice": "string", "moment": "string", "whole": "integer"}


async def description(table: Iterable[Entry], version: str) -> dict[str, object]:
    """Return the whole description."""
    paths: dict[str, dict[str, object]] = {}
    for entry in table:
        paths.setdefault(entry.path, {})[entry.method.lower()] = _operation(entry)
    return {
        "openapi": "3.1.0",
        "info": {"title": "clsh", "version": version},
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(entry: Entry) -> dict[str, object]:
    shape = {"schema": _ref(entry.schema)} if entry.schema else {}
    found: dict[str, object] = {
        "summary": entry.about,
        "parameters": [_parameter(one) for one in entry.parameters],
        "responses": {
            str(entry.status): {"description": entry.about, "content": {entry.media: shape}},
            "4XX": {
                "description": "What is wrong with the request, in words",
                "content": {"application/problem+json": {"schema": _ref("Error")}},
            },
        },
    }
    if entry.access in {"token", "user", "admin"}:
        found["security"] = [{"token": []}]
    if entry.raw:
        bytes_ = {"application/octet-stream": dict[str, object]()}
        found["requestBody"] = {"required": True, "content": bytes_}
    if entry.body:
        content: dict[str, object] = {"application/json": {"schema": _ref(entry.body)}}
        if entry.lines:
            content["text/plain"] = {"schema": {"type": "string"}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _parameter(one: Parameter) -> dict[str, object]:
    schema: dict[str, object] = {"type": _KINDS[one.kind]}
    if one.choices:
        schema["enum"] = list(one.choices)
    if one.kind == "whole":
        schema |= {"minimum": one.low, "maximum": one.high}
    if one.default:
        schema["default"] = int(one.default) if one.kind == "whole" else one.default
    if one.many:
        schema = {"type": "array", "items": schema}
    return {
        "name": one.name,
        "in": one.where,
        "required": one.required,
        "description": f"{one.about}; {one.allowed()}",
        "schema": schema,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
