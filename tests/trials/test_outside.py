"""The laboratory's own instruments: a trial is worth what its journal, its screens and its hashes are worth."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from sahut.work import leaf_hash as leaf_of_the_product
from sahut.work import path_in, root_of
from sahut_lab.house import TREE
from sahut_lab.outside import Journal, Talk, Viewer, read_journal
from sahut_lab.trial import merkle


def test_the_outside_world_imports_nothing_of_the_product() -> None:
    program = "import sys, sahut_lab.outside; print([name for name in sys.modules if name.split('.')[0] == 'sahut'])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=TREE)

    assert said.stdout.strip() == "[]"


async def test_a_line_is_on_disk_when_the_journal_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")

    await asyncio.gather(*(journal.write(what="intent", key=str(number)) for number in range(50)))
    kept = read_journal(tmp_path / "journal")
    journal.close()

    assert sorted(int(line["key"]) for line in kept) == list(range(50))


def test_a_line_that_was_cut_in_the_middle_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b'{"what":"intent"}\n{"what":"ok"')

    assert read_journal(tmp_path / "journal") == [{"what": "intent"}]


@pytest.mark.parametrize("size", [*range(70), 255, 256, 257, 1000])
def test_two_ways_of_the_standard_agree(size: int) -> None:
    leaves = [leaf_of_the_product(str(number).encode()) for number in range(size)]

    assert merkle.tree_hash(leaves) == root_of(leaves)
    assert leaves == [merkle.leaf_hash(str(number).encode()) for number in range(size)]
    for index in range(0, size, 7):
        assert merkle.root_from_path(leaves[index], index, size, path_in(leaves, index)) == merkle.tree_hash(leaves)


async def _serve_once(parts: list[bytes]) -> tuple[asyncio.Server, int, list[bytes]]:
    """A server that answers each connection with the next part and hangs up; what it was asked stands in the list."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if parts:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + parts.pop(0))
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], asked


def _event(n: int) -> bytes:
    data = (
        f'{{"n":{n},"at":"","topic":"care","subject":1,"kind":"message_added","body":{{"client_message_id":"k{n}"}}}}'
    )
    return f"id: {n}\ndata: {data}\n\n".encode()


async def test_a_screen_comes_back_where_it_was_cut() -> None:
    server, port, asked = await _serve_once([_event(3) + _event(5)[:-1], _event(5) + b": beat\nid: 9\n\n"])
    viewer = Viewer("somebody", Talk(port))
    following = asyncio.create_task(viewer.follow())
    async with asyncio.timeout(5):
        while len(asked) < 3:
            await asyncio.sleep(0.01)
    following.cancel()
    server.close()
    await asyncio.gather(following, return_exceptions=True)

    assert [shown.n for shown in viewer.shown] == [3, 5]
    assert [line.split()[1] for line in asked] == [b"/api/v1/live?after=%d" % n for n in (0, 3, 9)]
    assert not viewer.complaints
