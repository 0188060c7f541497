"""Named SQL: parameters become numbers, and nothing else is touched."""

import pytest

from sahut.db import BadQuery, Queries, Query
from tools.schemas import PACKAGES


def one(written: str) -> Query:
    return next(iter(Queries(f"-- name: it\n{written}")))


@pytest.mark.parametrize(
    ("written", "sent", "parameters"),
    [
        ("select :a", "select $1", ("a",)),
        ("select :b, :a, :b", "select $1, $2, $1", ("b", "a")),
        ("select :a::bigint[], x::text", "select $1::bigint[], x::text", ("a",)),
        ("select now()::date, 'x'::text, :a", "select now()::date, 'x'::text, $1", ("a",)),
        ("select list[1:2], list[n:m], :a", "select list[1:2], list[n:m], $1", ("a",)),
        ("select list[a[1]:2], (x):y", "select list[a[1]:2], (x):y", ()),
        ("select ':a', 'it''s :a', '::', :a", "select ':a', 'it''s :a', '::', $1", ("a",)),
        ("select '--', :a -- not :b, don't\n, :c", "select '--', $1 -- not :b, don't\n, $2", ("a", "c")),
        ("select to_char(t, 'HH24:MI:SS'), :t", "select to_char(t, 'HH24:MI:SS'), $1", ("t",)),
        ("values (:a,:b,:c_2)", "values ($1,$2,$3)", ("a", "b", "c_2")),
        ("select :abc, :ab, :a", "select $1, $2, $3", ("abc", "ab", "a")),
        ("select 1;\n", "select 1", ()),
        ("select $$:a$$, $b$ :c $$ $b$, :d", "select $$:a$$, $b$ :c $$ $b$, $1", ("d",)),
        ("select /* :a /* :b */ :c */ :d", "select /* :a /* :b */ :c */ $1", ("d",)),
        (r"select E'it\':a', e'\\', :b", r"select E'it\':a', e'\\', $1", ("b",)),
        (r"select '\', :a, '\'", r"select '\', $1, '\'", ("a",)),  # a backslash in plain quotes is a backslash
        ('select "a:b", "say "":c""", "l"[1:2], :d', 'select "a:b", "say "":c""", "l"[1:2], $1', ("d",)),
        ("select list[:a], list[:a::int]", "select list[$1], list[$1::int]", ("a",)),
        ("select ';', :a; -- over\n", "select ';', $1; -- over", ("a",)),
        ("select price$1, a$b$c, :a", "select price$1, a$b$c, $1", ("a",)),
    ],
)
def test_parameters_become_numbers_in_the_order_in_which_they_come(
    written: str, sent: str, parameters: tuple[str, ...]
) -> None:
    query = one(written)

    assert query.text == sent
    assert query.parameters == parameters


def test_queries_are_found_by_name() -> None:
    queries = Queries("-- Why this file.\n-- name: first\n-- Why.\nselect 1;\n\n-- name: second\nselect :a")

    assert [query.name for query in queries] == ["first", "second"]
    assert queries.second.parameters == ("a",)
    with pytest.raises(AttributeError, match="third"):
        _ = queries.third


class Unasked:
    """A connection that nobody should ask."""

    async def fetch(self, *_: object) -> None:
        raise AssertionError("sent although the parameters are wrong")


async def test_a_wrong_number_of_parameters_or_a_wrong_name_is_told() -> None:
    query = one("select :a, :b")

    with pytest.raises(TypeError, match="it takes a, b; missing: b"):
        await query.fetch(Unasked(), a=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="it takes a, b; missing: b; unknown: c"):
        await query.fetch(Unasked(), a=1, c=2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("-- name: it\nselect 'x", "it: what begins with"),
        ("-- name: it\nselect $a$ x $b$", "it: what begins with"),
        ("-- name: it\nselect 1 /* /* */", "it: the comment"),
        ("-- name: it\nselect 1; select 2", "it is to be one statement"),
        ("-- name: it\n-- nothing", "it is to be one statement"),
        ("-- name: it\nselect 1;\n-- name: it\nselect 2", "named twice: it"),
        ("select 1;\n-- name: it\nselect 2", "before the first name"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(file: str, sentence: str) -> None:
    with pytest.raises(BadQuery, match=sentence):
        Queries(file)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_queries_of_a_room_are_read_once_and_their_parameters_are_all_used(package: str) -> None:
    queries = Queries.load(package)

    assert queries is Queries.load(package)
    for query in queries:
        assert [f"${place}" in query.text for place in range(1, len(query.parameters) + 2)].count(False) == 1, (
            query.name
        )
