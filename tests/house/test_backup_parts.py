"""The parts of backup and restore that need no database: names of the log, closed keys, moments, pruning."""

import json
import os
import tarfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sahut.app.backups.heads import copy_heads
from sahut.app.backups.keys import open_keys, read_passphrase, seal_keys, write_secrets
from sahut.app.backups.programs import access
from sahut.app.backups.recovery import _unpack
from sahut.app.backups.restore import parse_moment
from sahut.app.backups.store import Base, Store, copy_plain, write_record, write_whole
from sahut.app.backups.wal import (
    Fork,
    Segment,
    chain_from,
    newest_timeline,
    parse_history,
    parse_lsn,
    parse_segment,
    show_lsn,
)
from sahut.app.cannot_start import CannotStart
from sahut.app.settings import read_settings

MB16 = 16 << 20
SECRETS = {"desk.key": bytes(range(32)), "app": b"a password"}
LONG = b"correct horse battery staple"


@given(st.integers(0, 2**40 - 1), st.integers(1, 2**31))
def test_a_segment_is_read_as_it_is_named(number: int, timeline: int) -> None:
    segment = Segment(number, timeline)

    assert parse_segment(segment.name()) == segment
    assert parse_segment(segment.name() + ".partial") == segment


@given(st.integers(0, 2**64 - 1))
def test_a_position_is_read_as_it_is_shown(lsn: int) -> None:
    assert parse_lsn(show_lsn(lsn)) == lsn


@pytest.mark.parametrize("name", ["00000002.history", "backup_manifest", "00000001000000000000000G", "archive.lock"])
def test_other_files_are_no_segments(name: str) -> None:
    assert parse_segment(name) is None


def test_segments_carry_over_into_the_next_row() -> None:
    assert Segment(255, 1).name() == "0000000100000000000000FF"
    assert Segment(256, 1).name() == "000000010000000100000000"


def chain(there: list[tuple[int, int]], forks: list[Fork], target: int) -> tuple[list[tuple[int, int]], object]:
    found = chain_from(Segment(2, 1), [Segment(number, timeline) for timeline, number in there], forks, target)
    return [(one.timeline, one.number) for one in found.segments], found.gap


def test_a_chain_ends_where_the_archive_ends() -> None:
    assert chain([(1, 2), (1, 3), (1, 4)], [], 1) == ([(1, 2), (1, 3), (1, 4)], None)


def test_a_missing_segment_is_named() -> None:
    assert chain([(1, 2), (1, 4)], [], 1) == ([(1, 2)], Segment(3, 1))
    assert chain([(1, 3)], [], 1) == ([], Segment(2, 1))


def test_where_timelines_part_the_newer_file_is_taken() -> None:
    left = [Fork(1, 4 * MB16 + 100)]

    assert chain([(1, 2), (1, 3), (1, 4), (2, 4), (2, 5)], left, 2)[0] == [(1, 2), (1, 3), (2, 4), (2, 5)]


def test_what_came_after_the_fork_on_the_old_timeline_is_not_followed() -> None:
    left = [Fork(1, 3 * MB16)]

    assert chain([(1, 2), (1, 3), (1, 4), (1, 5), (2, 3)], left, 2) == ([(1, 2), (2, 3)], None)
    assert chain([(1, 2), (1, 3), (1, 4), (1, 5)], left, 2) == ([(1, 2), (1, 3)], None)


def test_a_gap_on_the_new_timeline_is_not_filled_from_the_old_one() -> None:
    left = [Fork(1, 3 * MB16)]

    assert chain([(1, 2), (2, 3), (1, 4), (2, 5)], left, 2) == ([(1, 2), (2, 3)], Segment(4, 2))


def test_the_newest_timeline_that_goes_through_a_backup_is_followed() -> None:
    histories = {2: [Fork(1, 500)], 3: [Fork(1, 500), Fork(2, 900)], 4: [Fork(1, 100)]}

    assert newest_timeline(1, 400, histories) == 3
    assert newest_timeline(1, 600, histories) == 1
    assert newest_timeline(1, 90, histories) == 4


def test_a_history_is_read_without_its_reasons() -> None:
    assert parse_history("1\t0/3000028\tno recovery target specified\n\n2\t1/A\tbefore x\n") == [
        Fork(1, 0x3000028),
        Fork(2, 0x10000000A),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("passphrase", [None, LONG])
def test_keys_come_back_as_they_were(tmp_path: Path, passphrase: bytes | None) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(seal_keys(SECRETS, passphrase))

    assert open_keys(file, passphrase) == SECRETS


@pytest.mark.slow
def test_closed_keys_show_nothing(tmp_path: Path) -> None:
    sealed = seal_keys(SECRETS, LONG)

    assert b"password" not in sealed
    assert b"desk" not in sealed
    assert seal_keys(SECRETS, LONG) != sealed


@pytest.mark.slow
@pytest.mark.parametrize("passphrase", [None, b"another passphrase"])
def test_closed_keys_stay_closed_without_their_passphrase(tmp_path: Path, passphrase: bytes | None) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(seal_keys(SECRETS, LONG))

    with pytest.raises(CannotStart, match=r"keys\.json"):
        open_keys(file, passphrase)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "value"), [("sealed", "AAAA"), ("nonce", "00" * 12), ("n", 1 << 15), ("n", 1 << 40), ("salt", "zz")]
)
def test_changed_keys_are_refused(tmp_path: Path, field: str, value: object) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({**json.loads(seal_keys(SECRETS, LONG)), field: value}))

    with pytest.raises(CannotStart, match=r"keys\.json"):
        open_keys(file, LONG)


def test_missing_keys_are_named(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="keys"):
        open_keys(tmp_path / "keys.json", None)


def test_a_short_passphrase_protects_nothing(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("short\n")

    with pytest.raises(CannotStart, match="SAHUT_BACKUP_PASSPHRASE_FILE"):
        read_passphrase(file)


def test_keys_are_put_back_for_their_owner_alone(tmp_path: Path) -> None:
    write_secrets(tmp_path, SECRETS)

    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o600}


@pytest.mark.parametrize("name", ["../evil", "a\0b", ".hidden", "a\x1b[2J"])
def test_keys_never_leave_their_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotStart):
        write_secrets(tmp_path, {name: b"x"})


def test_a_moment_needs_its_zone() -> None:
    assert parse_moment("latest") is None
    assert parse_moment("2026-03-01T12:00:00+07:00") == datetime(2026, 3, 1, 5, tzinfo=UTC)
    for wrong in ("2026-03-01T12:00:00", "yesterday", ""):
        with pytest.raises(CannotStart, match="--to"):
            parse_moment(wrong)


def test_no_password_is_in_the_address_or_the_environment_of_a_program(tmp_path: Path) -> None:
    way = access("postgresql://a%40b:se:cr%2Fet@h:5433/db?sslmode=require", tmp_path, "x")

    assert "se:cr" not in way.url
    assert not any("se:cr" in value for value in way.environment.values())
    assert way.url.startswith("postgresql://a%40b@h:5433/db?sslmode=require&")
    file = Path(way.environment["PGPASSFILE"])
    assert file.read_text() == "*:*:*:a@b:se\\:cr/et\n"
    assert file.stat().st_mode & 0o777 == 0o600


NOW = datetime(2026, 3, 1, tzinfo=UTC)
BASE = Base("", NOW, 1.0, "7", "18", 1, "0/2000028", "0/2000120", "", 1, 1, 1, 0, demo=False, embedded=True)


def filled_store(tmp_path: Path, starts: list[int]) -> Store:
    """Base backups that began in these segments, an hour apart, and segments 1 to 9."""
    store = Store(tmp_path / "backup")
    store.prepare()
    for number, start in enumerate(starts):
        name = f"b{number}"
        (store.bases / name).mkdir()
        base = replace(BASE, taken_at=NOW + timedelta(hours=number), start_lsn=show_lsn(start * MB16 + 40))
        write_record(store.bases / name, base)
        (store.keys / f"{name}.json").write_text("{}")
    store.stretch(1).mkdir()
    for number in range(1, 10):
        (store.stretch(1) / Segment(number, 1).name()).write_bytes(b"")
    (store.stretch(1) / "00000002.history").write_text("")
    return store


def test_pruning_keeps_the_newest_and_all_the_log_that_they_need(tmp_path: Path) -> None:
    store = filled_store(tmp_path, [2, 4, 6])

    store.prune(2)

    assert [base.name for base in store.read_bases()] == ["b2", "b1"]
    assert sorted(path.stem for path in store.keys.iterdir()) == ["b1", "b2"]
    assert min(segment.number for segment in store.segments()) == 4
    assert store.history_files()


def test_after_a_restore_to_an_earlier_moment_nothing_needed_is_pruned(tmp_path: Path) -> None:
    store = filled_store(tmp_path, [6, 3])  # the newer base began earlier in the log: another timeline

    store.prune(2)

    assert min(segment.number for segment in store.segments()) == 3


def test_without_any_base_backup_no_log_is_pruned(tmp_path: Path) -> None:
    store = filled_store(tmp_path, [])

    assert store.prune(1) == []


def test_a_half_made_backup_is_never_taken_for_one_and_swept_away(tmp_path: Path) -> None:
    store = filled_store(tmp_path, [2])
    draft = store.bases / ".draft-0123"
    draft.mkdir()
    write_record(draft, BASE)
    (store.keys / "draft.json").write_text("{}")
    (store.bases / "torn").mkdir()
    (store.bases / "torn" / "base.json").write_text('{"format": 1, "name"')

    assert [base.name for base in store.read_bases()] == ["b0"]
    store.sweep()
    assert not draft.exists()
    assert [path.stem for path in store.keys.iterdir()] == ["b0"]


def test_drills_are_kept_in_bounds(tmp_path: Path) -> None:
    store = filled_store(tmp_path, [])
    for number in range(203):
        store.note_drill({"number": number})

    assert [drill["number"] for drill in store.read_drills()][::199] == [3, 202]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAHUT_BACKUP", "relative"),
        ("SAHUT_BACKUP", "/srv/sahut"),
        ("SAHUT_BACKUP", "/srv/sahut/backup"),
        ("SAHUT_BACKUP_KEEP", "0"),
        ("SAHUT_BACKUP_EVERY_HOURS", "never"),
        ("SAHUT_BACKUP_PASSPHRASE_FILE", "relative"),
        ("SAHUT_DATABASE_BACKUP_URL", "mysql://x"),
    ],
)
def test_a_wrong_setting_of_backups_is_named(name: str, value: str) -> None:
    with pytest.raises(CannotStart, match=name):
        read_settings({"SAHUT_HOME": "/srv/sahut", "SAHUT_BACKUP": "/srv/backup", name: value})


def test_no_link_is_copied_nor_written_through(tmp_path: Path) -> None:
    """Who may write where the backups are may lay links there; root would read and write what they point to."""
    precious = tmp_path / "precious"
    precious.write_text("x")
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "2026-01-01.jsonl").symlink_to(precious)
    (source / "2026-01-02.jsonl").write_text("a head\n")
    (target / ".2026-01-02.jsonl").symlink_to(precious)

    with pytest.raises(OSError, match="symbolic"):
        copy_heads(source, target)

    assert not (target / "2026-01-01.jsonl").exists()
    assert precious.read_text() == "x"
    (target / f".keys.{os.getpid()}").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"):
        write_whole(target / "keys", b"y")
    assert precious.read_text() == "x"
    with pytest.raises(OSError, match="symbolic"):
        copy_plain(source / "2026-01-01.jsonl", tmp_path / "copy")


@pytest.mark.parametrize("hostile", ["a link", "a link of its own", "a device", "outside", "a bomb"])
def test_an_archive_unpacks_to_plain_files_that_have_room(tmp_path: Path, hostile: str) -> None:
    member = tarfile.TarInfo("../outside" if hostile == "outside" else "inside")
    member.size = 1 << 50 if hostile == "a bomb" else 0
    if hostile == "a device":
        member.type = tarfile.CHRTYPE
    if hostile.startswith("a link"):
        member.type, member.linkname = tarfile.SYMTYPE, "/etc" if hostile == "a link" else "beside"
    source = tmp_path / "base"
    source.mkdir()
    for archive in ("base.tar.gz", "pg_wal.tar.gz"):
        with tarfile.open(source / archive, "w:gz") as written:
            assert written.fileobj is not None
            written.fileobj.write(member.tobuf())  # what it claims to hold does not matter

    with pytest.raises(CannotStart, match="more than there is room for" if hostile == "a bomb" else "damaged"):
        _unpack(source, tmp_path / "data")
    assert not (tmp_path / "outside").exists()
