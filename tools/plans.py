"""What is wrong with a plan of PostgreSQL: pure, from the JSON of `explain` to sentences.

Our statements find their rows by keys. A plan that reads a whole table, or holds each row of one side against each of
the other, is quick on a laptop and stands still a year later; so it is refused while the tables are empty.
"""

from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]

ONE_ROW = {"work.head", "work.event_id", "db.migration"}  # what never grows, or hardly; a sequence is a row too
_SCANS = {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan"}
_REFUSED = {"Hash Join": "a hash join", "Merge Join": "a merge join", "Materialize": "a side read whole and kept"}
_CONDITIONS = ("Index Cond", "Recheck Cond", "TID Cond", "Function Call", "One-Time Filter", "Filter")
_PASSES_ORDER_ON = {"Result", "LockRows", "Subquery Scan", "Append", "Unique", "Incremental Sort"}


def faults(plan: Node) -> list[str]:
    """Each fault of a plan, in words; empty when it finds its rows by keys."""
    found = [said for node in nodes(plan) for said in _faults_of(node)] + list(_whole_indexes(plan, limited=False))
    return list(dict.fromkeys(found))


def nodes(plan: Node) -> Iterator[Node]:
    """The node itself and all below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def _faults_of(node: Node) -> Iterator[str]:
    kind = node["Node Type"]
    if kind == "Seq Scan" and _table(node) not in ONE_ROW and not _is_catalog(node):
        yield f"reads the whole of {_table(node)}"
    if kind in _REFUSED:
        yield f"has {_REFUSED[kind]}"
    if kind == "Nested Loop" and (met := _each_against_each(node)) is not None:
        yield f"holds each row of {met} against each of the other side"
    if kind == "Limit" and (sorted_below := _sorted(node)) is not None:
        yield f"sorts all of {sorted_below} to take the first"


def _whole_indexes(node: Node, *, limited: bool) -> Iterator[str]:
    """Indexes that are read from end to end; below a limit, reading one in its order is what was meant."""
    kind = node["Node Type"]
    whole = kind in {"Index Scan", "Index Only Scan"} and "Index Cond" not in node and not limited
    if whole and _table(node) not in ONE_ROW and not _is_catalog(node):
        yield f"reads the whole index {node['Index Name']}"
    limited = kind == "Limit" or (limited and kind not in {"Sort", "Aggregate", "WindowAgg", "SetOp"})
    for below in node.get("Plans", ()):
        yield from _whole_indexes(below, limited=limited)


def _each_against_each(loop: Node) -> str | None:
    """The table that is read again for each row of the other side without a key from it, and filtered afterwards."""
    outer, inner = _sides(loop)
    if "Join Filter" not in loop or outer["Plan Rows"] <= 1 or inner["Plan Rows"] <= 1:
        return None
    tables = [_table(node) for node in nodes(inner) if node["Node Type"] in _SCANS]
    tables = [table for table in tables if table not in ONE_ROW]
    return tables[0] if tables and not _depends(inner, _names(outer)) else None


def _depends(inner: Node, names: set[str]) -> bool:
    said = " ".join(str(node[place]) for node in nodes(inner) for place in _CONDITIONS if place in node)
    return any(f"{name}." in said for name in names)


def _sorted(limit: Node) -> str | None:
    below = limit["Plans"][0]
    while below["Node Type"] in _PASSES_ORDER_ON:
        if below["Node Type"] == "Append" or not below.get("Plans"):
            return None
        below = below["Plans"][0]
    if below["Node Type"] != "Sort":
        return None
    tables = [_table(node) for node in nodes(below) if node["Node Type"] in _SCANS and not _is_catalog(node)]
    return tables[0] if tables and below["Plan Rows"] > 1 else None


def _sides(loop: Node) -> tuple[Node, Node]:
    outer = next(below for below in loop["Plans"] if below["Parent Relationship"] == "Outer")
    inner = next(below for below in loop["Plans"] if below["Parent Relationship"] == "Inner")
    return outer, inner


def _names(node: Node) -> set[str]:
    return {one["Alias"] for one in nodes(node) if "Alias" in one}


def _is_catalog(node: Node) -> bool:
    """Whether it is a table of PostgreSQL itself, which is as large as our schema and not as our business."""
    return str(node.get("Schema")) in {"pg_catalog", "information_schema"}


def _table(node: Node) -> str:
    return f"{node.get('Schema', '')}.{node['Relation Name']}".removeprefix(".")
