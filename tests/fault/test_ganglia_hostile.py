"""XML from outside that means harm: refused in half a second, without eating memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# In a process of its own, where the peak of memory can be set back before each bomb.
BOMBS = """
import json, sys, time
from pathlib import Path
from clsh.monitor.catalogue import METRICS
from clsh.monitor.ganglia.news import Translator
from clsh.monitor.ganglia.content import XmlError
from clsh.monitor.ganglia.xml import Reader

BEGIN = b'<?xml version="1.0"?><GANGLIA_XML><CLUSTER NAME="c">'
PIECE = 64 << 10

def endless(what):
    return [BEGIN, *[what * (PIECE // len(what))] * 100_000]

def laughs():
    entities = b"".join(b'<!ENTITY l%d "%s">' % (i + 1, b"&l%d;" % i * 10) for i in range(9))
    return [b'<!DOCTYPE GANGLIA_XML [<!ENTITY l0 "lol">' + entities + b"]>" + BEGIN + b"&l9;"]

def many(begin, element):
    yield BEGIN + begin
    for i in range(100_000):
        yield b"".join(element % j for j in range(i * 1000, i * 1000 + 1000))

SCENES = {
    "billion laughs": laughs,
    "quadratic blowup": lambda: [b'<!DOCTYPE X [<!ENTITY a "' + b"x" * 100_000 + b'">]>',
                                 b"<GANGLIA_XML>", *[b"&a;" * 20_000] * 100],
    "unclosed tags": lambda: [BEGIN + b"<A>" * (1 << 20)],
    "unclosed hosts": lambda: [BEGIN + b"<HOST>" * (1 << 19)],
    "one attribute": lambda: [BEGIN + b'<HOST NAME="', *[b"x" * PIECE] * 3200, b'"/>'],
    "one broken attribute": lambda: [BEGIN + b'<HOST NAME="<', *[b"x" * PIECE] * 3200, b'"/>'],
    "many attributes": lambda: [BEGIN + b"<HOST ", *[b'a%d="" ' % i * 999 for i in range(9999)]],
    "endless space": lambda: endless(b" "),
    "endless text": lambda: endless(b"text"),
    "endless comments": lambda: endless(b"<!-- -->"),
    "endless elements": lambda: endless(b"<X a='b'/>"),
    "endless HOSTS": lambda: endless(b"<HOSTS/>"),
    "endless broken tags": lambda: endless(b'<HOST NAME="&"/>'),
    "endless broken ends": lambda: endless(b"</A>"),
    "endless clusters": lambda: endless(b"<CLUSTER/>"),
    "endless metrics": lambda: many(b"<HOST>", b'<METRIC NAME="m%d" VAL="1"/>'),
    "endless hosts": lambda: many(b"", b'<HOST NAME="h%d"/>'),
    "endless extras": lambda: many(b"<HOST><METRIC>", b'<EXTRA_ELEMENT NAME="%d"/>'),
}

def memory(key):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024

found = {}
for name, scene in SCENES.items():
    data = scene()
    Path("/proc/self/clear_refs").write_text("5")
    before, reader, said = memory("VmRSS"), Reader(), "read"
    translator = Translator("x", 0.0, METRICS, 60.0)
    begun = time.process_time()
    try:
        for piece in data:
            for one in reader.feed(piece):
                translator.news(one)
        reader.close()
    except XmlError as error:
        said = str(error)
    found[name] = [said, time.process_time() - begun, memory("VmHWM") - before]
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def results() -> dict[str, tuple[str, float, int]]:
    done = subprocess.run(
        [sys.executable, "-c", BOMBS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[str, float, int]] = json.loads(done.stdout)
    return found


@pytest.mark.alone
@pytest.mark.parametrize(
    ("bomb", "says"),
    [
        ("billion laughs", "an entity is declared"),
        ("quadratic blowup", "a tag longer"),
        ("unclosed tags", "12 deep"),
        ("unclosed hosts", "12 deep"),
        ("one attribute", "a tag longer"),
        ("one broken attribute", "a tag longer"),
        ("many attributes", "a tag longer"),
        ("endless space", "without an element"),
        ("endless text", "without an element"),
        ("endless comments", "without an element"),
        ("endless elements", "without an element"),
        ("endless HOSTS", "without an element"),
        ("endless broken tags", "broken tags"),
        ("endless broken ends", "without an element"),
        ("endless clusters", "1000 clusters"),
        ("endless metrics", "2000 metrics"),
        ("endless hosts", "20000 hosts"),
        ("endless extras", "64 EXTRA_ELEMENT"),
    ],
)
def test_bombs(results: dict[str, tuple[str, float, int]], bomb: str, says: str) -> None:
    said, cpu_s, grown = results[bomb]
    assert says in said
    assert cpu_s < 0.5
    assert grown < 50 << 20
