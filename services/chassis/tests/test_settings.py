"""Settings are read once from the environment, and all errors are reported together."""

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
    """A service starts without any variable."""
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
    """An empty value in a manifest means the default."""
    assert Settings.from_environment({"PORT": "", "LOG_LEVEL": " "}) == Settings()


def test_variables_are_read_with_their_types():
    """Values have their types, and surrounding spaces are removed."""
    environ = {"PORT": " 8081 ", "SHUTDOWN_DELAY_SECONDS": "0.5", "LOG_LEVEL": "DEBUG", "POD_NAME": "web.1"}

    settings = Settings.from_environment(environ)

    assert (settings.port, settings.shutdown_delay_seconds, settings.log_level) == (8081, 0.5, "debug")
    assert settings.pod == "web.1"


def test_one_error_names_every_invalid_variable():
    """So that a Deployment can be fixed in one step."""
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

    errors = str(raised.value).split("; ")
    assert sorted(sentence.split()[0] for sentence in errors) == sorted(environ)
    assert 'PORT is "eighty", expected a whole number from 1 to 65535' in errors
    assert errors[-1] == 'HANG_SECONDS is "nan", expected a number from 0 to 3600'


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
def test_contradictions_are_reported_beside_other_errors(environ, sentence):
    """An invalid sum is found even if a third variable is invalid."""
    with pytest.raises(SettingsError) as raised:
        LogicSettings.from_environment(environ)

    assert sentence in str(raised.value)


def test_percentages_may_be_fractions_and_sum_to_100():
    """With 33.3 and 66.7 no request succeeds, which is allowed."""
    settings = LogicSettings.from_environment({"FAULT_ERROR_PERCENT": "33.3", "FAULT_HANG_PERCENT": "66.7"})

    assert (settings.fault_error_percent, settings.fault_hang_percent) == (33.3, 66.7)


def test_a_version_without_a_page_is_refused():
    """A frontend without a page does not start."""
    with pytest.raises(SettingsError, match='SERVICE_VERSION is "v3", expected v1 or v2'):
        FrontendSettings.from_environment({"SERVICE_VERSION": "v3"})


@pytest.mark.parametrize(
    "address", ["mysql://host/db", "postgresql//host", "sqlite://", "sqlite:///:memory:"]
)
def test_an_invalid_database_url_is_refused_without_repeating_it(address):
    """It may contain a password, which must not be logged."""
    with pytest.raises(SettingsError, match="DATABASE_URL is not usable, expected") as raised:
        FeedbackSettings.from_environment({"DATABASE_URL": address})

    assert address not in str(raised.value).split("expected")[0]


@pytest.mark.parametrize(
    "address", ["logic", "ftp://logic", "http://", "http://logic:port", "http://logic?x=1"]
)
def test_an_invalid_upstream_url_is_refused(address):
    """An unusable URL is detected at start."""
    with pytest.raises(SettingsError, match="LOGIC_URL is"):
        WebappSettings.from_environment({"LOGIC_URL": address})


def test_a_service_with_invalid_settings_exits_with_one_line_and_status_2(capsys):
    """The line names the service, the variable, the actual and the expected value."""
    with pytest.raises(SystemExit) as ended:
        settings_or_exit(Settings, "webapp", {"PORT": "0"})

    assert ended.value.code == 2
    assert (
        capsys.readouterr().err
        == 'webapp cannot start: PORT is "0", expected a whole number from 1 to 65535\n'
    )


@given(st.dictionaries(st.sampled_from(["PORT", "THREADS", "HANG_SECONDS", "FAULT_HANG_PERCENT"]), st.text()))
def test_any_text_in_a_variable_is_a_value_or_a_named_error(environ):
    """No text makes parsing fail in another way."""
    try:
        settings = LogicSettings.from_environment(environ)
    except SettingsError as raised:
        named = [name for name in environ if name in str(raised)]
    else:
        named = None

    assert named is None or named
    assert named or (1 <= settings.port <= 65535 and 0 <= settings.fault_hang_percent <= 100)
