"""The papers behind methods (papers.toml), and their BibTeX."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("papers.toml")


@dataclass(frozen=True)
class Paper:
    name: str  # of the method that it is about
    title: str
    authors: tuple[str, ...]  # "Surname, Given"
    venue: str
    year: int
    arxiv: str

    @property
    def bibtex(self) -> str:
        key = f"{self.authors[0].partition(',')[0].split()[-1].lower()}{self.year}{self.name}"
        fields = {
            "title": f"{{{self.title}}}",
            "author": " and ".join(self.authors),
            "booktitle": self.venue,
            "year": str(self.year),
            "eprint": self.arxiv,
            "archiveprefix": "arXiv",
        }
        lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        return f"@inproceedings{{{key},\n{lines}\n}}"

    @property
    def words(self) -> str:
        names = [name.partition(",")[0] for name in self.authors]
        who = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
        return f"{who}: {self.title}. {self.venue} {self.year}, arXiv {self.arxiv}"


@cache
def papers() -> dict[str, dict[str, object]]:
    return tomllib.loads(FILE.read_text())


def of(method: str) -> tuple[Paper | None, bool]:
    """The paper of a method, and whether the method is our own after it."""
    entry = papers().get(method)
    if entry is None:
        return None, False
    if "of" in entry:
        return of(str(entry["of"]))[0], True
    fields = {**entry, "authors": tuple(entry["authors"])}  # type: ignore[arg-type]
    return Paper(name=method, **fields), False  # type: ignore[arg-type]
