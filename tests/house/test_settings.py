"""Settings: read once, and a wrong one is one sentence that names it."""

from pathlib import Path

import pytest

from sahut.app.cannot_start import CannotStart
from sahut.app.settings import read_settings

HOME = {"SAHUT_HOME": "/srv/sahut"}


def test_without_any_everything_has_a_sensible_value() -> None:
    settings = read_settings(HOME)

    assert settings.home == Path("/srv/sahut")
    assert settings.port == 8000
    assert settings.public_url == "http://localhost:8000"
    assert (settings.web_processes, settings.work_processes) == (1, 2)
    assert settings.database_url is None
    assert settings.log_keep_months == 0  # the log is kept for ever


def test_a_demo_has_a_home_of_its_own() -> None:
    assert read_settings({}, demo=True).home.name == read_settings({}).home.name + "-demo"
    assert read_settings(HOME, demo=True).home == Path("/srv/sahut")


def test_the_public_address_follows_the_port() -> None:
    assert read_settings({**HOME, "SAHUT_PORT": "8123"}).public_url == "http://localhost:8123"
    assert read_settings({**HOME, "SAHUT_PUBLIC_URL": "https://wallet.example/"}).public_url == "https://wallet.example"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAHUT_PORT", "eight"),
        ("SAHUT_PORT", "0"),
        ("SAHUT_PORT", "65536"),
        ("SAHUT_PORT", "-1"),
        ("SAHUT_PORT", "٨٠٠٠"),
        ("SAHUT_HOME", "relative/home"),
        ("SAHUT_WEB_PROCESSES", "0"),
        ("SAHUT_WORK_PROCESSES", "1000"),
        ("SAHUT_LOG", "loud"),
        ("SAHUT_LOG_KEEP_MONTHS", "2"),
        ("SAHUT_PUBLIC_URL", "wallet.example"),
        ("SAHUT_PUBLIC_URL", "http://wallet.example"),
        ("SAHUT_PUBLIC_URL", "https://wallet.example/below"),
        ("SAHUT_DATABASE_URL", "mysql://x"),
        ("SAHUT_METRICS_PORT", "eight"),
        ("SAHUT_METRICS_HOST", "localhost"),
        ("SAHUT_DRAIN_S", "61"),
        ("SAHUT_TRUST_TRACEPARENT", "maybe"),
        ("SAHUT_PROT", "8000"),
    ],
)
def test_a_wrong_one_is_named(name: str, value: str) -> None:
    with pytest.raises(CannotStart, match=name) as refused:
        read_settings({**HOME, name: value})
    assert "\n" not in str(refused.value)


def test_a_wrong_database_address_is_not_repeated() -> None:
    with pytest.raises(CannotStart) as refused:
        read_settings({**HOME, "SAHUT_DATABASE_URL": "mysql://someone:secret@host"})
    assert "secret" not in str(refused.value)
