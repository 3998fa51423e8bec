"""Settings are read once from the environment, and what is wrong is said in one go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.settings import Settings, SettingsError, settings_or_exit
from services.feedback.app import FeedbackSettings
from services.frontend.app import FrontendSettings
from services.logic.app import LogicSettings
from services.webapp.app import WebappSettings


def test_an_empty_environment_gives_the_defaults():
    """Nothing has to be set for a service to start."""
    settings = Settings.from_environment({})

    assert (settings.version, settings.port, settings.metrics_port, settings.threads) == (
        "v1",
        8080,
        9102,
        16,
    )
    assert settings.pod
    assert settings.otlp_endpoint is None


def test_an_empty_variable_counts_as_unset():
    """A manifest that sets a variable to nothing means the default."""
    assert Settings.from_environment({"PORT": "", "LOG_LEVEL": " "}) == Settings()


def test_variables_are_read_with_their_types():
    """Values arrive as what they are, without the space around them."""
    environ = {"PORT": " 8081 ", "SHUTDOWN_DELAY_SECONDS": "0.5", "LOG_LEVEL": "DEBUG", "POD_NAME": "web.1"}

    settings = Settings.from_environment(environ)

    assert (settings.port, settings.shutdown_delay_seconds, settings.log_level) == (8081, 0.5, "debug")
    assert settings.pod == "web.1"


def test_one_error_names_every_bad_variable():
    """Whoever mends a Deployment learns of all that is wrong at once."""
    environ = {
        "PORT": "eighty",
        "THREADS": "0",
        "LOG_LEVEL": "loud",
        "POD_NAME": "a pod",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317",
        "FAULT_ERROR_PERCENT": "-1",
        "FAULT_HANG_PERCENT": "some",
        "HANG_SECONDS": "nan",
    }

    with pytest.raises(SettingsError) as raised:
        LogicSettings.from_environment(environ)

    said = str(raised.value).split("; ")
    assert sorted(sentence.split()[0] for sentence in said) == sorted(environ)
    assert 'PORT is "eighty", expected a whole number from 1 to 65535' in said
    assert said[-1] == 'HANG_SECONDS is "nan", expected a number from 0 to 3600'


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (
            {"FAULT_ERROR_PERCENT": "60", "FAULT_HANG_PERCENT": "40.5", "HANG_SECONDS": "x"},
            "FAULT_ERROR_PERCENT and FAULT_HANG_PERCENT are 100.5 together, expected at most 100",
        ),
        ({"PORT": "9102"}, "PORT and METRICS_PORT are both 9102, expected two different ports"),
    ],
)
def test_values_that_contradict_each_other_are_named_beside_other_errors(environ, sentence):
    """A sum that cannot be is found also where a third variable is bad."""
    with pytest.raises(SettingsError) as raised:
        LogicSettings.from_environment(environ)

    assert sentence in str(raised.value)


def test_odds_may_be_fractions_and_fill_all_of_a_hundred():
    """33.3 and 66.7 of a hundred leave nothing to succeed, and that is allowed."""
    settings = LogicSettings.from_environment({"FAULT_ERROR_PERCENT": "33.3", "FAULT_HANG_PERCENT": "66.7"})

    assert (settings.fault_error_percent, settings.fault_hang_percent) == (33.3, 66.7)


def test_a_version_without_a_page_is_refused():
    """A frontend that has nothing to show does not start."""
    with pytest.raises(SettingsError, match='SERVICE_VERSION is "v3", expected v1 or v2'):
        FrontendSettings.from_environment({"SERVICE_VERSION": "v3"})


@pytest.mark.parametrize(
    "address", ["mysql://host/db", "postgresql//host", "sqlite://", "sqlite:///:memory:"]
)
def test_a_bad_database_address_is_refused_without_repeating_it(address):
    """It may hold a password, which has no place in a log."""
    with pytest.raises(SettingsError, match="DATABASE_URL is not usable, expected") as raised:
        FeedbackSettings.from_environment({"DATABASE_URL": address})

    assert address not in str(raised.value).split("expected")[0]


@pytest.mark.parametrize(
    "address", ["logic", "ftp://logic", "http://", "http://logic:port", "http://logic?x=1"]
)
def test_a_bad_upstream_address_is_refused(address):
    """An address that no request can go to is noticed at the start."""
    with pytest.raises(SettingsError, match="LOGIC_URL is"):
        WebappSettings.from_environment({"LOGIC_URL": address})


def test_a_service_with_bad_settings_ends_with_one_line_and_status_2(capsys):
    """The line says which service, which variable, what was found and what was expected."""
    with pytest.raises(SystemExit) as ended:
        settings_or_exit(Settings, "webapp", {"PORT": "0"})

    assert ended.value.code == 2
    assert (
        capsys.readouterr().err
        == 'webapp cannot start: PORT is "0", expected a whole number from 1 to 65535\n'
    )


@given(st.dictionaries(st.sampled_from(["PORT", "THREADS", "HANG_SECONDS", "FAULT_HANG_PERCENT"]), st.text()))
def test_any_text_in_a_variable_is_a_value_or_a_named_error(environ):
    """No text makes reading settings fail in any other way."""
    try:
        settings = LogicSettings.from_environment(environ)
    except SettingsError as raised:
        named = [name for name in environ if name in str(raised)]
    else:
        named = None

    assert named is None or named
    assert named or (1 <= settings.port <= 65535 and 0 <= settings.fault_hang_percent <= 100)
