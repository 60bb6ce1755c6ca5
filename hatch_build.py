"""Build hook: makes the message catalogues (.mo) from their sources (.po)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def compile_catalogues(root: Path) -> None:
    """Write every catalogue below `root` beside its source."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    for source in root.glob("src/clsh/locale/*/LC_MESSAGES/*.po"):
        with source.open("rb") as lines:
            catalogue = read_po(lines)
        with source.with_suffix(".mo").open("wb") as compiled:
            write_mo(compiled, catalogue)


class CatalogueHook(BuildHookInterface[Any]):
    """Runs for a wheel and for an editable install, before files are collected."""

    def initialize(
        self,
        version: str,  # noqa: ARG002 - hatchling's signature
        build_data: dict[str, Any],
    ) -> None:
        """Compile the catalogues, and have them packed."""
        compile_catalogues(Path(self.root))
        # They are not under version control, so hatchling would leave them out.
        build_data["artifacts"].append("src/clsh/locale/*/LC_MESSAGES/*.mo")
