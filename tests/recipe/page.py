"""A how-to page as somebody follows it who reads nothing between its blocks.

A path in backticks on a line of its own names the file of the block below it: one of `python` is the whole
file, one of `diff` is lines that are there (begin with a blank) and lines to add to them (`+`). A block of
`sh` is commands.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^(?:(?P<indent> *)`(?P<path>[^`\n]+)`\n\s*\n)?^(?P<fence> *)```(?P<kind>\w+)\n(?P<text>.*?)^(?P=fence)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    kind: str
    text: str
    path: str | None = None

    def carry_out(self, tree: Path) -> None:
        """Raises ValueError: it names no file, or changes what is not there exactly once."""
        if self.path is None:
            raise ValueError(f"A block names no file:\n{self.text}")
        file = tree / self.path
        if self.kind == "python":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.text)
            return
        lines = self.text.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line.startswith(" "))
        after = "".join(line[1:] for line in lines)
        present = file.read_text()
        if present.count(before) != 1:
            raise ValueError(f"{self.path} has this {present.count(before)} times:\n{before}")
        file.write_text(present.replace(before, after))


def blocks_of(page: Path) -> Iterator[Block]:
    for found in _BLOCK.finditer(page.read_text()):
        yield Block(found["kind"], textwrap.dedent(found["text"]), found["path"])
