"""What the API answers, each answer held against the schema that describes it."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from array import array
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base.users import User
from clsh.jobs.model import Request
from clsh.monitor.model import Health, Line, Metric, Report, Sample, Silent, Sum
from clsh.monitor.processes import Process
from clsh.monitor.service import Monitor
from clsh.monitor.settings import Rule
from clsh.web.api.schemas import SCHEMAS
from clsh.web.api.table import TABLE
from tests.support.job_manager import FakeJobs
from tests.support.web import TOKEN, Browser, a_control, a_monitor, an_app, tell

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES: dict[str, Any] = {
    "string": str, "integer": int, "number": (int, float), "null": type(None), "boolean": bool,
    "object": dict, "array": list,
}  # fmt: skip


def wrong(value: Any, schema: Mapping[str, Any], at: str = "") -> list[str]:
    """Return what in `value` is not as JSON Schema says, for the keywords that we use."""
    if name := schema.get("$ref"):
        return wrong(value, dict(SCHEMAS[name.removeprefix("#/components/schemas/")]), at)
    if "anyOf" in schema:
        found = [wrong(value, one, at) for one in schema["anyOf"]]
        return [] if [] in found else found[0]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{at}: {value!r} not in {schema['enum']}"]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    good = any(isinstance(value, _TYPES[kind]) for kind in kinds)
    if not good or (isinstance(value, bool) and kinds != ["boolean"]):
        return [f"{at}: {value!r} is no {kinds}"]
    if isinstance(value, list):
        return [
            text
            for n, one in enumerate(value)
            for text in wrong(one, schema["items"], f"{at}[{n}]")
        ]
    if isinstance(value, dict):
        return _wrong_object(value, schema, at)
    return []


def _wrong_object(value: dict[str, Any], schema: Mapping[str, Any], at: str) -> list[str]:
    known = schema.get("properties", {})
    found = [f"{at}: no {name}" for name in schema.get("required", []) if name not in value]
    for name, one in value.items():
        inner = known.get(name, schema.get("additionalProperties", True))
        if inner is False:
            found.append(f"{at}: {name} is not described")
        elif isinstance(inner, dict):
            found += wrong(one, inner, f"{at}.{name}")
    return found


def process(user: str = "ann", command: str = "sleep 9") -> Process:
    return Process("n1", 7, 1, user, "S", 1.5, 4096, 2, 1e9, command)


def a_site() -> Monitor:
    """Return a monitor of which every kind of answer has something to tell."""
    rule = Rule("disk", "disk_free_percent", "below", 50.0)
    monitor = a_monitor({"red": ["n1", "n2", "n10"], "blue": ["b1"]}, alerts=(rule, Rule("silent")))
    tell(monitor, "n1", load_one=2.0, disk_free_percent=40.0)
    tell(monitor, "n10", load_one=8.0, gauge=math.nan)
    now = monitor.clock.unix()
    monitor.grid.hear(Silent("red", "n2", now, "connection refused <b>"))
    sums = {"load_one": Sum(5.0, 3), "cpu_num": Sum(10.0, 3)}
    monitor.grid.hear(Report("far", now, 3, 1, sums, {}, "http://far.example.org/"))
    monitor.grid.hear(Health("gmond red", now, False, "no answer"))
    monitor.alerts.evaluate(monitor.grid)
    return monitor


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each monitor tell the same processes."""

    async def processes(self: Monitor, cluster: Any, nodes: Any) -> list[Any]:
        silent = Silent("red", "n2", 1e9, "connection refused")
        return [process(), process("bob", "Python x"), silent]

    monkeypatch.setattr(Monitor, "processes", processes)


ANSWERS = {
    "/api/v1/grid": ["/api/v1/grid"],
    "/api/v1/clusters/{cluster}": ["/api/v1/clusters/red", "/api/v1/clusters/red?state=lost"],
    "/api/v1/nodes": ["/api/v1/nodes", "/api/v1/nodes?cluster=blue&sort=-load_one"],
    "/api/v1/clusters/{cluster}/nodes/{node}": [
        "/api/v1/clusters/red/nodes/n10",
        "/api/v1/clusters/red/nodes/n2",
    ],
    "/api/v1/range": [
        "/api/v1/range?metric=load_one",
        "/api/v1/range?metric=load_one&metric=cpu_idle&cluster=red&node=n1&node=n2&start=-1d",
    ],
    "/api/v1/heat/{cluster}": ["/api/v1/heat/red", "/api/v1/heat/red?metric=mem_total"],
    "/api/v1/processes": ["/api/v1/processes", "/api/v1/processes?cluster=red&node=n1"],
    "/api/v1/alerts": ["/api/v1/alerts"],
    "/api/v1/status": ["/api/v1/status"],
    "/api/v1/jobs": ["/api/v1/jobs", "/api/v1/jobs?state=pending&sort=name"],
    "/api/v1/jobs/{job}": ["/api/v1/jobs/1", "/api/v1/jobs/1?limit=0"],
    "/healthz": ["/healthz"],
    "/api/v1/me": ["/api/v1/me"],
    "/api/v1/users": ["/api/v1/users"],
    "/api/v1/tokens": ["/api/v1/tokens", "/api/v1/tokens?whose=all"],
    "/api/v1/audit": ["/api/v1/audit", "/api/v1/audit?since=-1d&limit=5"],
}


@pytest.mark.usefixtures("told")
async def test_every_answer_is_as_it_is_described() -> None:
    jobs = FakeJobs()
    site, control = a_site(), a_control(facts={"store": "memory"})
    browser = Browser(an_app(site, control, jobs=jobs), uid=1234)
    await jobs.submit(User("root", is_admin=True), [Request(("true",), array=(1, 2))])
    described = {entry.path: entry.schema for entry in TABLE if entry.method == "GET"}
    assert ANSWERS.keys() == {path for path, schema in described.items() if schema}
    for path, addresses in ANSWERS.items():
        for address in addresses:
            got = await browser.ask(address)
            assert got.status == 200, address
            assert wrong(got.json, {"$ref": described[path]}, address) == []


async def test_a_wrong_answer_is_found() -> None:
    """The checker above can fail."""
    row = {"source": "a", "ok": True, "reason": "", "at": None}
    assert wrong(row, {"$ref": "SourceRow"}) == []
    for bad in ({**row, "ok": 1}, {**row, "at": "x"}, {**row, "more": 1}, {"source": "a"}):
        assert wrong(bad, {"$ref": "SourceRow"}) != []


async def test_the_description_has_every_route_and_parameter() -> None:
    told = (await Browser(an_app(a_site())).ask("/api/openapi.json")).json
    assert told["openapi"].startswith("3.1")
    paths = told["paths"]
    assert {(path, method.upper()) for path in paths for method in paths[path]} == {
        (entry.path, entry.method) for entry in TABLE
    }
    for entry in TABLE:
        operation = paths[entry.path][entry.method.lower()]
        given = {one["name"]: one for one in operation["parameters"]}
        assert given.keys() == {one.name for one in entry.parameters}
        for name in given:
            assert (given[name]["in"] == "path") == (f"{{{name}}}" in entry.path)
        assert ("security" in operation) == (entry.access in {"token", "user", "admin"})
        assert ("requestBody" in operation) == bool(entry.body or entry.raw)
    assert _refs(told) <= told["components"]["schemas"].keys()


def _refs(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_refs, value))
    if isinstance(value, dict):
        found = {value["$ref"].rpartition("/")[2]} if "$ref" in value else set()
        return found.union(*map(_refs, value.values()))
    return set()


ASKED = {"/api/v1/jobs/files": [f"/api/v1/jobs/files?upload={'0' * 32}&size=3"]}
POSTED: dict[str, list[bytes]] = {
    "/api/v1/metrics/{cluster}/{node}": [
        b'{"metrics": {"a": 1.5, "b": {"value": 3, "units": "rpm", "type": "uint16"}, "c": "x"}}',
        b"room 21.5 C",
    ],
    "/api/v1/stop": [b""],
    "/api/v1/users": [b'{"name": "carol", "password": "", "admin": false}'],
    "/api/v1/users/{user}/password": [b'{"password": "a better one"}'],
    "/api/v1/users/{user}/admin": [b'{"admin": true}'],
    "/api/v1/users/{user}/link": [b""],
    "/api/v1/users/{user}/remove": [b""],
    "/api/v1/welcome": [b""],
    "/api/v1/tokens": [b'{"name": "ci", "scope": "read", "days": 5}'],
    "/api/v1/tokens/{token}/remove": [b""],
    "/api/v1/jobs/files": [b"a\xffb"],
    "/api/v1/jobs": [b'{"jobs": [{"argv": "a", "memory": 5, "nodes": ["n1"]}], "owner": ""}'],
    **{f"/api/v1/jobs/{{job}}/{act}": [b""] for act in ("cancel", "hold", "release", "requeue")},
}


@pytest.mark.usefixtures("told")
async def test_status_and_media_of_every_answer_are_as_they_are_described() -> None:
    browser = Browser(
        an_app(a_site(), a_control(), jobs=FakeJobs()),
        uid=0,
        headers={"authorization": f"Bearer {TOKEN}"},
    )
    paths = (await browser.ask("/api/openapi.json")).json["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            ((status, said),) = (
                one for one in operation["responses"].items() if one[0].startswith("2")
            )
            ((media, shape),) = said["content"].items()
            filled = path.format(cluster="red", node="n1", user="carol", token="ci", job=1)
            address = (ANSWERS | ASKED).get(path, [filled])[0]
            for body in POSTED[path] if method == "post" else [b""]:
                got = await browser.ask(address, method.upper(), body)
                assert (got.status, got.headers["content-type"]) == (int(status), media), path
                if "schema" in shape:
                    assert wrong(got.json, shape["schema"], path) == []
                if body.startswith(b"{"):
                    sent = operation["requestBody"]["content"]["application/json"]["schema"]
                    assert wrong(json.loads(body), sent, path) == []


async def test_the_errors_are_described_too() -> None:
    """Each status that a route may refuse with has the shape of 4XX."""
    browser = Browser(an_app(a_site()))
    token = {"authorization": f"Bearer {TOKEN}"}
    for status, path, method, headers in (
        (400, "/api/v1/nodes?limit=x", "GET", {}),
        (400, "/api/v1/metrics/red/n1", "POST", token),
        (401, "/api/v1/metrics/red/n1", "POST", {}),
        (403, "/api/v1/stop", "POST", {}),
        (403, "/api/v1/stop", "POST", {"origin": "http://evil.example.org"}),
        (404, "/api/v1/nowhere", "GET", {}),
        (404, "/api/v1/clusters/x", "GET", {}),
        (405, "/api/v1/grid", "POST", {}),
        (413, "/api/v1/metrics/red/n1", "POST", {"content-length": "9999999"}),
        (414, "/api/v1/nodes?q=" + "x" * 9000, "GET", {}),
        (421, "/api/v1/grid", "GET", {"host": "evil.example.org"}),
        (431, "/api/v1/grid", "GET", {"x-long": "x" * 17000}),
    ):
        given = {name.replace("-", "_"): text for name, text in headers.items()}
        got = await browser.ask(path, method, b"", **given)
        assert got.status == got.json["status"] == status
        assert got.headers["content-type"] == "application/problem+json"
        assert wrong(got.json, {"$ref": "Error"}) == []


async def test_the_grid() -> None:
    browser = Browser(an_app(a_site()))
    grid = (await browser.ask("/api/v1/grid")).json
    monitor_alerts = (await browser.ask("/api/v1/alerts")).json["alerts"]
    assert {(one["rule"], one["node"]) for one in monitor_alerts} == {
        ("disk", "n1"),
        ("silent", "n2"),
    }
    assert [cluster["name"] for cluster in grid["clusters"]] == ["blue", "red"]
    red = grid["clusters"][1]
    assert (red["up"], red["lost"], red["new"]) == (2, 1, 0)
    assert (red["load_one"], red["cores"], red["load_share"]) == (10.0, 8.0, 1.25)
    assert (red["cpu_busy"], red["memory_used"], red["memory_total"]) == (25.0, 4e9, 16e9)
    assert (grid["up"], grid["lost"], grid["load_one"]) == (5, 2, 15.0)  # with the report
    assert grid["reports"][0]["lost"] == 1
    assert grid["sources"][0] == {
        "source": "gmond red", "ok": False, "reason": "no answer",
        "at": grid["sources"][0]["at"],
    }  # fmt: skip
    assert grid["alerts"] == len(monitor_alerts) == 2


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["b1", "n1", "n2", "n10"]),
        ("cluster=red", ["n1", "n2", "n10"]),
        ("state=up", ["n1", "n10"]),
        ("state=new&state=lost", ["b1", "n2"]),
        ("q=REFUSED", ["n2"]),
        ("q=10.0.0.1", ["n1", "n10"]),
        ("q=n1", ["n1", "n10"]),
        ("sort=-name", ["n10", "n2", "n1", "b1"]),
        ("sort=load_one", ["n1", "n10", "b1", "n2"]),
        ("sort=-load_one", ["n10", "n1", "b1", "n2"]),
        ("limit=2", ["b1", "n1"]),
        ("limit=2&offset=3", ["n10"]),
        ("offset=9", []),
    ],
)
async def test_nodes_are_filtered_sorted_and_cut(query: str, names: list[str]) -> None:
    got = (await Browser(an_app(a_site())).ask(f"/api/v1/nodes?{query}")).json
    assert [row["name"] for row in got["nodes"]] == names
    if "limit" in query or "offset" in query:
        assert got["total"] == 4


async def test_a_node() -> None:
    browser = Browser(an_app(a_site()))
    node = (await browser.ask("/api/v1/clusters/red/nodes/n10")).json
    metrics = {row["name"]: row for row in node["metrics"]}
    assert metrics["load_one"]["value"] == 8.0
    assert metrics["os_name"]["value"] == "Linux"
    assert metrics["mem_total"]["units"] == "bytes"
    assert metrics["load_one"]["tn"] == pytest.approx(0, abs=30)
    assert (node["state"], node["load_share"], node["tmax"]) == ("up", 2.0, 20.0)
    lost = (await browser.ask("/api/v1/clusters/red/nodes/n2")).json
    assert (lost["state"], lost["reason"]) == ("lost", "connection refused <b>")


async def test_a_range_has_null_where_nothing_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = a_site()
    asked: list[Any] = []

    async def range_(series: Any, start: float, end: float, points: int) -> list[Line]:
        asked.append((list(series), round(end - start), points))
        values = array("d", [1.23456789, math.nan, math.inf])
        return [Line(1e9, 15.0, values, values, values) for _ in series]

    monkeypatch.setattr(monitor, "range", range_)
    browser = Browser(an_app(monitor))
    got = (await browser.ask("/api/v1/range?metric=cpu_idle&cluster=red&node=n1&points=3")).json
    (line,) = got["series"]
    assert line["average"] == line["low"] == [1.234568, None, None]
    assert (line["node"], line["units"], got["step"]) == ("n1", "%", 15.0)
    assert asked == [([("red", "n1", "cpu_idle")], 3600, 3)]
    await browser.ask("/api/v1/range?metric=a&metric=b&cluster=red")
    assert asked[1][0] == [("red", "", "a"), ("red", "", "b")]
    await browser.ask("/api/v1/range?metric=a&start=-1y&end=-1d")
    assert asked[2] == ([("", "", "a")], 364 * 86400, 300)


def metrics(count: int) -> str:
    return "&".join(f"metric=m{n}" for n in range(count))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("metric=a&start=now&end=-1h", "ends before it begins"),
        ("metric=a&start=-1h&end=-1h", "ends before it begins"),
        ("metric=a&node=n1", "'cluster' is missing"),
        ("start=-1h", "'metric' is missing"),
        ("metric=a&points=0", "cannot be '0'"),
        ("metric=a&points=4001", "cannot be '4001'"),
        ("metric=a&points=nan", "cannot be 'nan'"),
        ("metric=a&start=NaN", "cannot be 'NaN'"),
        ("metric=a&end=inf", "cannot be 'inf'"),
        ("metric=a&start=-1e9", "cannot be '-1e9'"),
        ("metric=a&start=0", "ten years from now: start is 0"),
        ("metric=a&start=-999999999y", "ten years from now: start is 0"),
        ("metric=a&end=99999999999", "ten years from now: end is 99999999999"),
        ("points=4000&" + metrics(101), "too many"),
        ("points=1&cluster=red&node=n1&node=n2&" + metrics(501), "too many"),
    ],
)
async def test_a_range_that_cannot_be(query: str, words: str) -> None:
    got = await Browser(an_app(a_site())).ask(f"/api/v1/range?{query}")
    assert got.status == 400
    assert words in got.json["error"]


async def test_a_long_answer_lets_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = a_monitor()
    values = array("d", [1.5] * 1000)

    async def range_(series: Any, *_: Any) -> list[Line]:
        return [Line(1e9, 15.0, values, values, values) for _ in series]

    async def processes(cluster: Any, nodes: Any) -> list[Any]:
        return [process()] * 5000

    monkeypatch.setattr(monitor, "range", range_)
    monkeypatch.setattr(monitor, "processes", processes)
    browser = Browser(an_app(monitor))
    for address, least in (
        ("/api/v1/range?points=1000&" + metrics(100), 100),
        ("/api/v1/processes", 10),
    ):
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.create_task(others())
        got = await browser.ask(address)
        task.cancel()
        assert got.status == 200
        assert turns >= least, address
        if "processes" in got.json:
            assert got.json["total"] == len(got.json["processes"]) == 5000


async def test_heat_is_one_byte_a_node_in_their_order() -> None:
    browser = Browser(an_app(a_site()))
    heat = (await browser.ask("/api/v1/heat/red")).json
    assert list(base64.b64decode(heat["cells"])) == [50, 255, 200]
    assert (heat["low"], heat["high"]) == (0.0, 2.5)
    new = (await browser.ask("/api/v1/heat/blue")).json
    assert list(base64.b64decode(new["cells"])) == [254]
    assert new["order"] != heat["order"]
    idle = (await browser.ask("/api/v1/heat/red?metric=cpu_idle")).json
    assert (idle["high"], idle["units"]) == (100.0, "%")
    assert list(base64.b64decode(idle["cells"])) == [188, 255, 188]
    words = (await browser.ask("/api/v1/heat/red?metric=os_name")).json
    assert list(base64.b64decode(words["cells"])) == [254, 255, 254]
    assert words["high"] > words["low"]


async def test_heat_of_a_metric_that_goes_below_zero() -> None:
    monitor = a_monitor()
    for name, value in (("n1", -10.0), ("n2", 15.0), ("n10", 0.0)):
        tell(monitor, name, outside=value)
    heat = (await Browser(an_app(monitor)).ask("/api/v1/heat/red?metric=outside")).json
    assert (heat["low"], heat["high"]) == (-10.0, 15.0)
    assert list(base64.b64decode(heat["cells"])) == [0, 250, 100]


@pytest.mark.parametrize(
    ("query", "pids", "silent"),
    [("", 2, 1), ("user=bob", 1, 1), ("q=PYTHON", 1, 1), ("user=eve", 0, 1)],
)
@pytest.mark.usefixtures("told")
async def test_processes(query: str, pids: int, silent: int) -> None:
    got = (await Browser(an_app(a_site())).ask(f"/api/v1/processes?{query}")).json
    assert (got["total"], len(got["processes"]), len(got["silent"])) == (pids, pids, silent)


async def test_an_old_kernel_has_no_mem_available() -> None:
    monitor = a_monitor({"old": ["o1"]})
    values = {"mem_total": 100.0, "mem_free": 20.0, "mem_buffers": 10.0}
    monitor.grid.hear(Sample("old", "o1", monitor.clock.unix(), values))
    grid = (await Browser(an_app(monitor)).ask("/api/v1/grid")).json
    assert (grid["memory_used"], grid["cpu_busy"], grid["load_share"]) == (70.0, None, None)


async def test_a_metric_that_only_its_node_knows_has_its_units() -> None:
    monitor = a_monitor()
    said = {"fan": Metric("fan", units="rpm")}
    monitor.grid.hear(Sample("red", "n1", monitor.clock.unix(), {"fan": 900.0}, said))
    browser = Browser(an_app(monitor))
    got = (await browser.ask("/api/v1/range?metric=fan&cluster=red&node=n1")).json
    assert got["series"][0]["units"] == "rpm"
    none = (await browser.ask("/api/v1/range?metric=unheard_of")).json
    assert none["series"][0]["units"] == ""
