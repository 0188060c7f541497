"""The figures of several processes as one page of Prometheus's text format, each sample with its process. Pure.

A family (HELP, TYPE and its samples) may stand only once on a page, and each process brings all of them; so the pages
are taken apart by family and put together again, line by line, without a list of their names.
Source: Prometheus text exposition format 0.0.4.
"""

import re
from collections.abc import Mapping

_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([+-]?(?:\d[\d.eE+-]*|Inf|NaN))", re.ASCII)
_ENDINGS = ("_bucket", "_count", "_sum", "_total")


def merge(pages: Mapping[str, str]) -> str:
    """One page out of those of several processes. `pages`: name of the process → its page.

    A line that is no sample and no comment of the format is left out, so that one broken page spoils no other.
    """
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for process, page in pages.items():
        family = ""
        for line in page.split("\n"):
            if line.startswith(("# HELP ", "# TYPE ")):
                family = line.split(" ", 3)[2]
                known = heads.setdefault(family, [])
                if not any(line[:7] == other[:7] for other in known):
                    known.append(line)
            elif line and not line.startswith("#") and (labelled := _labelled(line, process)) is not None:
                samples.setdefault(_family_of(line, family), []).append(labelled)
    lines: list[str] = []
    for family in [*heads, *(unheard for unheard in samples if unheard not in heads)]:
        lines += heads.get(family, [])
        lines += samples.get(family, [])
    return "\n".join(lines) + "\n" if lines else ""


def _labelled(line: str, process: str) -> str | None:
    """The sample with its process as first label; None when the line is no sample."""
    found = _SAMPLE.fullmatch(line)
    if found is None:
        return None
    name, labels, value = found.groups()
    return f'{name}{{process="{process}"{"," if labels else ""}{labels or ""}}} {value}'


def _family_of(line: str, current: str) -> str:
    """The family that a sample belongs to: the one whose heads were read last, when its name says so."""
    name = line.partition("{")[0].partition(" ")[0]
    if name == current or any(name == current + ending for ending in _ENDINGS):
        return current
    return name
