"""The manager's own pages over the demo cluster: charts of real figures, and the docs' pictures.

    CLSH_PICTURES=docs/images CLSH_PICTURES_S=600 pytest tests/integration/browser/test_pictures.py

keeps what it sees, after so many seconds; without that the pictures are thrown away.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.demo import namespaces
from tests.support.manager import Person, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    from tests.integration.browser.conftest import Watched

NODES = [f"node{number}" for number in range(1, 5)]
HISTORY_S = float(os.environ.get("CLSH_PICTURES_S", "10"))
LONGEST_S = max(60.0, HISTORY_S)
CONFIG = """\
[manager]
listen = "127.0.0.1:0"
[monitor]
grid = "demo grid"
interval = 1
gmond_port = 0
gmetad_port = 0
gmetad_query_port = 0
"""
# How much of each chart's canvas has the colour of its line: what is not drawn has none.
INK = """
(figures) => figures.map((figure) => {
  const canvas = figure.querySelector(".uplot canvas");
  if (!canvas) return 0;
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--c0");
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let ink = 0;
  for (let at = 0; at < pixels.length; at += 4) {
    const far = Math.abs(pixels[at] - red) + Math.abs(pixels[at + 1] - green)
      + Math.abs(pixels[at + 2] - blue);
    if (pixels[at + 3] > 200 && far < 60) ink += 1;
  }
  return ink;
})
"""
pytestmark = pytest.mark.timeout(120 + HISTORY_S)


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """The demo cluster with its manager, when each node has told for a while."""
    if why := namespaces.unavailable():
        pytest.skip(f"no namespaces: {why}")
    person = Person(tmp_path_factory.mktemp("pictures"))
    try:
        assert person.cl("demo", "up", "-n", str(len(NODES))).returncode == 0
        inventory = person.run / "clsh/demo/access/clsh.toml"
        inventory.write_text(CONFIG + inventory.read_text())
        person.address = person.up("--demo").rstrip("/")
        eventually(lambda: person.status()["up"] == len(NODES), 60)
        time.sleep(HISTORY_S)
        yield person
    finally:
        person.close()


def keep(page: Page, name: str) -> None:
    picture = page.screenshot()
    assert picture.startswith(b"\x89PNG")
    if folder := os.environ.get("CLSH_PICTURES"):
        (Path(folder) / f"{name}.png").write_bytes(picture)


@pytest.mark.parametrize(
    ("name", "path", "tall"),
    [("grid", "/", 420), ("cluster", "/c/demo", 620), ("node", "/c/demo/node1", 900)],
)
def test_the_pages_show_what_the_nodes_tell(
    watcher: Person, look: Callable[..., Watched], name: str, path: str, tall: int
) -> None:
    now = int(time.time())
    watched = look(1200)
    page = watched.page
    page.set_viewport_size({"width": 1200, "height": tall})
    page.goto(f"{watcher.address}{path}?start={now - LONGEST_S:.0f}&end={now}")
    watched.drawn()
    page.wait_for_function(
        "[...document.querySelectorAll('main .cols')][0].querySelectorAll('.uplot').length === 4"
    )
    told = page.locator("[data-chart=load] .now b").inner_text()
    assert float(told.replace(",", "")) >= 0
    # All that is in sight is drawn: load and network of nodes that answer are never nothing.
    ink = page.eval_on_selector_all("main .cols:first-of-type [data-chart]", INK)
    assert len(ink) >= 4
    assert min(ink[:4]) > 2, ink
    assert page.locator(".lost:not(i)").count() == 0
    if name != "node":
        assert page.locator(".cells a").all_inner_texts()[0].startswith("node1")
        assert page.locator(".cells a").count() == len(NODES)
    keep(page, name)


def test_without_scripts_the_charts_are_drawn_too(
    watcher: Person, look: Callable[..., Watched]
) -> None:
    now = int(time.time())
    page = look(java_script_enabled=False).page
    page.goto(f"{watcher.address}/c/demo/node2?start={now - LONGEST_S:.0f}&end={now}")
    lines = {
        figure.get_attribute("data-chart"): figure.locator("path.l").first.get_attribute("d") or ""
        for figure in page.locator("[data-chart]").all()
    }
    assert {"load", "cpu", "memory", "network", "m:mem_free", "m:bytes_in"} <= lines.keys()
    short = [name for name, line in lines.items() if line.count(",") < 3]
    assert short == []
