"""The shapes of answers and bodies, as JSON Schema 2020-12 writes them.

An answer has no fields but these, and all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from clsh.jobs.forms.fields import FIELDS
from clsh.jobs.model import JobState, TaskState
from clsh.jobs.notices.notice import Event

Schema = Mapping[str, object]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
TRUTH: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
VALUE: Schema = {"type": ["number", "string", "null"]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TOTALS: Mapping[str, Schema] = dict.fromkeys(
    ("cores", "load_one", "load_share", "cpu_busy", "memory_used", "memory_total"), NUMBER_OR_NULL
)
_COUNTS: Mapping[str, Schema] = {"up": WHOLE, "lost": WHOLE, "new": WHOLE}
_CLUSTER: Mapping[str, Schema] = {"name": TEXT, **_COUNTS, "heard_at": NUMBER_OR_NULL, **_TOTALS}
_NODE: Mapping[str, Schema] = {
    "name": TEXT,
    "cluster": TEXT,
    "address": TEXT,
    "state": {"enum": ["up", "lost", "new"]},
    "reason": TEXT,
    "since": NUMBER_OR_NULL,
    "heard_at": NUMBER_OR_NULL,
    **_TOTALS,
    "disk_free_percent": NUMBER_OR_NULL,
    "disk_read": NUMBER_OR_NULL,
    "disk_write": NUMBER_OR_NULL,
    "bytes_in": NUMBER_OR_NULL,
    "bytes_out": NUMBER_OR_NULL,
    "boottime": NUMBER_OR_NULL,
}
_PAGE: Mapping[str, Schema] = {
    "version": WHOLE,
    "total": WHOLE,
    "offset": WHOLE,
    "limit": WHOLE,
    "nodes": _list(_ref("NodeRow")),
}

_TOKEN = {
    "id": TEXT,
    "user": TEXT,
    "name": TEXT,
    "scope": TEXT,
    "made": NUMBER,
    "expires": NUMBER,
    "used": NUMBER,
}

_COUNT: Schema = {"type": "object", "additionalProperties": WHOLE}
_JOB: Mapping[str, Schema] = {
    "id": WHOLE,
    "owner": TEXT,
    "name": TEXT,
    "kind": TEXT,
    "command": TEXT,
    "state": {"enum": list(get_args(JobState))},
    "priority": WHOLE,
    "submitted": NUMBER_OR_NULL,
    "started": NUMBER_OR_NULL,
    "ended": NUMBER_OR_NULL,
    "counts": _COUNT,
    "reason": TEXT,
}
_NATIVE: Mapping[str, Schema] = {
    "words": _list(TEXT),
    "list": _list(TEXT),
    "nodes": _list(TEXT),
    "environment": {"type": "object", "additionalProperties": TEXT},
    "whole": WHOLE,
    "signed": WHOLE,
    "size": WHOLE,
    "time": WHOLE,
    "truth": TRUTH,
}


def _form() -> Schema:
    """Return the fields of the form: each a text as people type it, or what JSON has for it."""
    properties: dict[str, Schema] = {}
    for field in FIELDS:
        kinds = [TEXT, _NATIVE[field.kind]] if field.kind in _NATIVE else [TEXT]
        told = f"{field.help}; {field.allowed()}"
        shape: Schema = {"enum": list(field.choices)} if field.choices else {"anyOf": kinds}
        properties[field.name] = {**shape, "description": told}
    return {
        "type": "object",
        "properties": properties,
        "required": ["argv"],
        "additionalProperties": False,
    }


SCHEMAS: Mapping[str, Schema] = {
    "NodeRow": _object(**_NODE),
    "ClusterRow": _object(**_CLUSTER),
    "ReportRow": _object(
        name=TEXT, authority=TEXT, up=WHOLE, lost=WHOLE, heard_at=NUMBER_OR_NULL, **_TOTALS
    ),
    "SourceRow": _object(source=TEXT, ok=TRUTH, reason=TEXT, at=NUMBER_OR_NULL),
    "AlertRow": _object(
        rule=TEXT,
        cluster=TEXT,
        node=TEXT,
        metric=TEXT,
        value=VALUE,
        since=NUMBER_OR_NULL,
        severity=TEXT,
        text=TEXT,
    ),
    "MetricRow": _object(
        name=TEXT, value=VALUE, units=TEXT, title=TEXT, group=TEXT, type=TEXT, tn=NUMBER_OR_NULL
    ),
    "ProcessRow": _object(
        node=TEXT,
        pid=WHOLE,
        ppid=WHOLE,
        user=TEXT,
        state=TEXT,
        cpu=NUMBER_OR_NULL,
        rss=NUMBER,
        threads=WHOLE,
        started=NUMBER_OR_NULL,
        command=TEXT,
    ),
    "LineRow": _object(
        cluster=TEXT,
        node=TEXT,
        metric=TEXT,
        units=TEXT,
        average=_list(NUMBER_OR_NULL),
        low=_list(NUMBER_OR_NULL),
        high=_list(NUMBER_OR_NULL),
    ),
    "Grid": _object(
        name=TEXT,
        version=WHOLE,
        **_COUNTS,
        **_TOTALS,
        clusters=_list(_ref("ClusterRow")),
        reports=_list(_ref("ReportRow")),
        sources=_list(_ref("SourceRow")),
        alerts=WHOLE,
    ),
    "Cluster": _object(**_CLUSTER, **_PAGE),
    "Nodes": _object(**_PAGE),
    "Node": _object(
        version=WHOLE,
        **_NODE,
        tn=NUMBER_OR_NULL,
        tmax=NUMBER,
        dmax=NUMBER,
        metrics=_list(_ref("MetricRow")),
    ),
    "Range": _object(start=NUMBER, step=NUMBER, series=_list(_ref("LineRow"))),
    "Heat": _object(
        version=WHOLE,
        cluster=TEXT,
        metric=TEXT,
        units=TEXT,
        low=NUMBER,
        high=NUMBER,
        order=TEXT,
        cells={"type": "string", "contentEncoding": "base64"},
    ),
    "Processes": _object(
        total=WHOLE,
        processes=_list(_ref("ProcessRow")),
        silent=_list(_object(node=TEXT, reason=TEXT)),
    ),
    "Alerts": _object(alerts=_list(_ref("AlertRow"))),
    "Status": _object(
        version=TEXT,
        pid=WHOLE,
        started=NUMBER,
        uptime=NUMBER,
        cpu=NUMBER,
        listen=TEXT,
        grid=TEXT,
        **_COUNTS,
        alerts=WHOLE,
        viewers=WHOLE,
        sources=_list(_ref("SourceRow")),
        store=_object(trouble=TEXT, size=WHOLE),
        facts={"type": "object", "additionalProperties": TEXT},
    ),
    "Me": _object(name=TEXT, admin=TRUTH, how=TEXT, scope=TEXT),
    "Users": _object(
        users=_list(
            _object(
                name=TEXT, local=TRUTH, admin=TRUTH, password=TRUTH, sessions=WHOLE, tokens=WHOLE
            )
        )
    ),
    "UserName": _object(name=TEXT),
    "NewUser": _object(name=TEXT, password=TEXT, admin=TRUTH),
    "Password": _object(password=TEXT),
    "Admin": _object(admin=TRUTH),
    "Url": _object(url=TEXT),
    "Tokens": _object(tokens=_list(_object(**_TOKEN))),
    "NewToken": _object(name=TEXT, scope=TEXT, days=WHOLE),
    "TokenMade": _object(**_TOKEN, token=TEXT),
    "TokenId": _object(id=TEXT),
    "Audit": _object(
        lines=_list(
            _object(
                time=TEXT, who=TEXT, how=TEXT, act=TEXT, object=TEXT, outcome=TEXT, address=TEXT
            )
        )
    ),
    "Health": _object(ok=TRUTH),
    "Stopping": _object(stopping=TRUTH, pid=WHOLE),
    "Taken": _object(taken=WHOLE),
    "Push": _object(
        metrics={
            "type": "object",
            "additionalProperties": {
                "anyOf": [
                    {"type": ["number", "string"]},
                    {
                        "type": "object",
                        "properties": {
                            "value": {"type": ["number", "string"]},
                            "units": TEXT,
                            "type": TEXT,
                        },
                        "required": ["value"],
                        "additionalProperties": False,
                    },
                ]
            },
        }
    ),
    "JobRequest": _form(),
    "Jobs": {
        "type": "object",
        "properties": {"jobs": _list(_ref("JobRequest")), "owner": TEXT},
        "required": ["jobs"],
        "additionalProperties": False,
    },
    "Submitted": _object(jobs=_list(WHOLE)),
    "Piece": _object(have=WHOLE, digest=TEXT),
    "JobRow": _object(**_JOB),
    "JobList": _object(
        version=WHOLE,
        total=WHOLE,
        offset=WHOLE,
        limit=WHOLE,
        states=_COUNT,
        jobs=_list(_ref("JobRow")),
    ),
    "TaskRow": _object(
        index=WHOLE,
        state={"enum": list(get_args(TaskState))},
        attempt=WHOLE,
        nodes=_list(_object(node=TEXT, ranks=WHOLE)),
        why=TEXT,
        started=NUMBER_OR_NULL,
        ended=NUMBER_OR_NULL,
        status={"type": ["integer", "null"]},
        signal=TEXT,
        reason=TEXT,
        rss=WHOLE,
        cancelled=TRUTH,
    ),
    "ToldRow": _object(
        who=TEXT,
        event={"enum": list(get_args(Event))},
        task={"type": ["integer", "null"]},
        state={"enum": ["waiting", "told", "given up"]},
        at=NUMBER_OR_NULL,
        tries=WHOLE,
        error=TEXT,
    ),
    "Job": _object(
        version=WHOLE,
        **_JOB,
        request=_ref("JobRequest"),
        told=_list(_ref("ToldRow")),
        total=WHOLE,
        tasks=_list(_ref("TaskRow")),
    ),
    "Acted": _object(job=WHOLE, task={"type": ["integer", "null"]}),
    "Error": {
        "type": "object",
        "properties": {
            "status": WHOLE,
            "title": TEXT,
            "error": TEXT,
            "hint": TEXT,
            "parameter": TEXT,
        },
        "required": ["status", "title", "error", "hint"],
        "additionalProperties": False,
    },
}
