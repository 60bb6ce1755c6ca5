"""Sphinx: the pages of docs/, and from the same sources the man pages clsh(1) and cl(1)."""

from __future__ import annotations

from pathlib import Path

import clsh

project = "clsh"
author = "the authors of clsh"
release = version = clsh.__version__
# The man pages are under version control: a date of the day would change them every day.
today = f"clsh {release}"

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist", "fieldlist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"clsh {release}"

_MAN = {"clsh": "run commands on many nodes over SSH", "cl": "the cluster as one machine"}
man_pages = [
    (f"reference/{name}", name, summary, author, "1")
    for name, summary in _MAN.items()
    if Path(__file__).with_name("reference").joinpath(f"{name}.md").exists()
]
man_show_urls = True
