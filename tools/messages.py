"""Find the messages that people read, and bring the catalogues up to date with them.

    python -m tools.messages

A message is a literal given to `tr` (on pages also `said`, and in templates `_`, `said` and
`words.count`), the title of a metric that we know, the text or hint of one of our errors
(`render.fail` translates both; a class of errors may give them itself), the HELP of a
sub-command, a state of a node or a job, a label of the form, or a phrase in a constant of a
file that gives variables to `tr`. What is put together by f-strings is not translated, nor why
a node failed: that is often said by the node.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

from clsh.base import errors
from clsh.monitor.catalogue import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src/clsh"
LOCALES = SOURCES / "locale"
_ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.ClshError)
}


def found() -> dict[str, set[str]]:
    """Return each message with the files that have it."""
    messages: dict[str, set[str]] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        for text in _in_tree(ast.parse(path.read_text(encoding="utf-8"))):
            messages.setdefault(text, set()).add(str(path.relative_to(SOURCES)))
    for path in sorted((SOURCES / "web/templates").rglob("*.html")):
        for text in _in_template(path.read_text(encoding="utf-8")):
            messages.setdefault(text, set()).add(str(path.relative_to(SOURCES)))
    for metric in METRICS.values():
        messages.setdefault(metric.title, set()).add("monitor/catalogue.py")
    return messages


def catalogue(language: str) -> Catalog:
    """Return the kept catalogue of a language, an empty one when there is none."""
    path = _path(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as lines:
        return read_po(lines, locale=language)


def languages() -> list[str]:
    """Return the languages that have a catalogue."""
    return sorted(path.parts[-3] for path in LOCALES.glob("*/LC_MESSAGES/clsh.po"))


def _path(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES/clsh.po"


def _in_tree(tree: ast.Module) -> Iterator[str]:
    if any(_translates_a_variable(node) for node in ast.walk(tree)):
        for statement in tree.body:
            if isinstance(statement, ast.Assign):
                phrases = _phrases(statement.value)
                # A word alone, an option's flags and a usage of several lines are no phrases.
                yield from filter(re.compile(r"[^-\n][^\n]* [^\n]*").fullmatch, phrases)
    yield from _labels(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Name(id="tr") | ast.Attribute(attr="tr" | "said"), args=[first, *_]
            ):
                yield from _literals(first)
            case ast.Call(func=ast.Name(id=name)) if name in _ERRORS:
                yield from _of_error(node)
            case ast.ClassDef(bases=[ast.Name(id=name)]) if name in _ERRORS:
                yield from _of_class(node)
            case ast.Assign(targets=[ast.Name(id="HELP")], value=value):
                yield from _literals(value)
            case ast.Assign(
                targets=[ast.Name(id="State" | "JobState" | "TaskState")],
                value=ast.Subscript(slice=states),
            ):
                yield from _phrases(states)
            case _:
                pass


def _labels(tree: ast.Module) -> Iterator[str]:
    """Yield the labels of the form, which may be one word."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="Field"), args=[_, label, *_]):
                yield from _literals(label)
            case _:
                pass


def _of_class(error: ast.ClassDef) -> Iterator[str]:
    for call in ast.walk(error):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
            yield from _of_error(call)


def _of_error(call: ast.Call) -> Iterator[str]:
    """Yield text and hint that an error is made with."""
    hints = [keyword.value for keyword in call.keywords if keyword.arg == "hint"]
    for value in [*call.args[:1], *hints]:
        yield from _literals(value)


def _in_template(text: str) -> Iterator[str]:
    """Yield what a page's template says; `words.count` has one for 1 and one for more."""
    for call in Environment(autoescape=True).parse(text).find_all(nodes.Call):
        match call.node:
            case nodes.Name(name="_" | "said"):
                said = call.args[:1]
            case nodes.Getattr(attr="count"):
                said = call.args[1:3]
            case _:
                continue
        yield from (one.value for one in said if isinstance(one, nodes.Const))


def _translates_a_variable(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="tr"), args=[ast.Name(), *_]):
            return True
        case _:
            return False


def _phrases(node: ast.expr) -> Iterator[str]:
    """Yield the strings that stand in a constant, but not the keys of a dictionary."""
    keys = [key for n in ast.walk(node) if isinstance(n, ast.Dict) for key in n.keys]
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and inner not in keys:
            yield from _literals(inner)


def _literals(node: ast.expr) -> Iterator[str]:
    """Yield the string that `node` is, or both of an `a if b else c`."""
    match node:
        case ast.Constant(value=str(text)) if any(map(str.isalpha, text)):
            yield text
        case ast.IfExp(body=body, orelse=other):
            yield from _literals(body)
            yield from _literals(other)
        case _:
            pass


def main() -> None:
    """Rewrite each catalogue: the messages that there are, with the translations it has."""
    messages = found()
    for language in languages():
        old = catalogue(language)
        new = Catalog(locale=language, project="clsh", header_comment="", fuzzy=False)
        for text in sorted(messages):
            kept = old.get(text)
            places = [(name, 0) for name in sorted(messages[text])]
            new.add(text, kept.string if kept else "", places)
        with _path(language).open("wb") as file:
            write_po(file, new, width=100, omit_header=True, include_lineno=False)
        missing = [message.id for message in new if message.id and not message.string]
        print(f"{language}: {len(messages)} messages, {len(missing)} not translated")
        print(*(f"  {text!r}" for text in missing), sep="\n")


if __name__ == "__main__":
    main()
