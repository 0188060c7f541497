"""From when on the sealer looks: never past an event of a moment in which the clock stood elsewhere."""

from datetime import UTC, datetime, timedelta

from sahut.work.log.recent import BACK, LONG_AGO, WATCHED, Recent

NOW = datetime(2031, 5, 1, tzinfo=UTC)


def test_before_the_clock_was_watched_there_is_no_bound() -> None:
    recent = Recent()

    for second in range(2 * WATCHED - 1):
        assert recent.since == LONG_AGO
        recent.clock_shows(NOW + timedelta(seconds=second))
    recent.clock_shows(NOW + timedelta(seconds=2 * WATCHED))

    assert recent.since == NOW + timedelta(seconds=WATCHED - 1) - BACK


def test_a_clock_that_was_set_back_for_a_moment_keeps_the_bound_low_for_an_hour() -> None:
    recent, long_before = Recent(), datetime(1999, 1, 1, tzinfo=UTC)
    for _ in range(3 * WATCHED):
        recent.clock_shows(NOW)
    assert recent.since == NOW - BACK

    recent.clock_shows(long_before)
    for _ in range(WATCHED - 2):
        recent.clock_shows(NOW)
        assert recent.since == long_before - BACK
    for _ in range(WATCHED + 2):
        recent.clock_shows(NOW)

    assert recent.since == NOW - BACK


def test_a_clock_of_the_first_days_of_the_calendar_breaks_nothing() -> None:
    recent = Recent()

    for _ in range(3 * WATCHED):
        recent.clock_shows(datetime(1, 1, 5, tzinfo=UTC))

    assert recent.since == LONG_AGO
