"""Finds the examples in the guides: fenced blocks of Python and C++, each a complete program.

A `text` block that follows an example directly is what it prints.
"""

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One program of a guide."""

    guide: str
    line: int
    language: str
    code: str
    output: str | None

    def __str__(self) -> str:
        return f"{self.guide}:{self.line}"


def examples(language: str) -> list[Example]:
    """All examples in one language, in the order in which they are read."""
    found = []
    for guide in GUIDES:
        text = (ROOT / guide).read_text(encoding="utf-8")
        blocks = list(FENCE.finditer(text))
        for block, following in zip_longest(blocks, blocks[1:]):
            if block[1] != language:
                continue
            output = None
            if following and following[1] == "text" and not text[block.end() : following.start()].strip():
                output = following[2]
            line = text.count("\n", 0, block.start()) + 2
            found.append(Example(guide, line, language, block[2], output))
    return found
