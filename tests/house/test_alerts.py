"""The alert rules: in the shape that Prometheus reads, and each about something that is measured."""

import importlib
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from sahut.care import care_figures
from sahut.db import Pool, server_figures
from sahut.work import work_figures

ROOT = Path(__file__).resolve().parents[2]
MEASURING = (
    "sahut.app.observing.database",
    "sahut.app.observing.process",
    "sahut.app.observing.spans",
    "sahut.app.roles.keeper",
    "sahut.journey.metrics",
    "sahut.web.metrics",
)
ALERTS = (ROOT / "docs" / "alerts.yml").read_text()
NAME = re.compile(r"\bsahut_[a-z_]+\b")
# One rule: these keys in this order, `for` if it has to last.
RULE = re.compile(
    r"      - alert: (?P<name>Sahut[A-Za-z]+)\n"
    r"        expr: (?P<expr>[^\n]+)\n"
    r"(?:        for: \d+[sm]\n)?"
    r"        labels: \{severity: (?:page|ticket)\}\n"
    r"        annotations:\n"
    r"          summary: [^\n]+\n"
    r"          action: [^\n]+\n"
)
GROUP = re.compile(r"  - name: [a-z-]+\n    rules:\n")


def rules() -> list[re.Match[str]]:
    return list(RULE.finditer(ALERTS))


def test_the_file_is_rules_and_nothing_else() -> None:
    rest = GROUP.sub("", RULE.sub("", "".join(line for line in ALERTS.splitlines(True) if not line.startswith("#"))))

    assert rest == "groups:\n"
    names = [rule["name"] for rule in rules()]
    assert len(names) == len(set(names)) > 15


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["name"]))
def test_an_expression_closes_what_it_opens_and_compares(rule: re.Match[str]) -> None:
    expression = rule["expr"]

    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing)
    assert re.search(r" (?:>|<|==) [\d.e]+$", expression)


async def test_each_rule_and_each_word_of_the_guide_is_about_what_is_measured(pool: Pool) -> None:
    for module in MEASURING:
        importlib.import_module(module)
    measured = {"sahut_process_up"}
    families = list(REGISTRY.collect())
    async with pool.acquire() as connection:
        for ask in (server_figures, work_figures, care_figures):
            families += await ask(connection)
    for family in families:
        if family.type == "counter":
            measured.add(f"{family.name}_total")
        elif family.type == "histogram":
            measured |= {f"{family.name}{ending}" for ending in ("", "_bucket", "_count", "_sum")}
        else:
            measured.add(family.name)
    # What a database without standby, archive or signed head does not say.
    measured |= {"sahut_replication_lag_seconds", "sahut_archive_age_seconds", "sahut_figures_age_seconds"}

    for text in (ALERTS, (ROOT / "docs" / "observing.md").read_text()):
        assert NAME.findall(text)
        assert sorted(set(NAME.findall(text)) - measured) == []
