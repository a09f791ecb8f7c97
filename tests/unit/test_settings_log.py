from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from loguru import logger
from pydantic import ValidationError

from galera_operator import log
from galera_operator.ports import Refused
from galera_operator.settings import Settings


@pytest.fixture
def environment(monkeypatch):
    for name in ("TOKEN_FILE", "LOOK_EVERY", "LEASE_TTL", "JOURNAL_DIR", "LOG_JSON", "LOG_LEVEL"):
        monkeypatch.delenv(f"GALERA_OPERATOR_{name}", raising=False)
    return monkeypatch


def test_the_defaults_hold_without_any_variable(environment):
    settings = Settings()
    assert (settings.look_every, settings.lease_ttl, settings.journal_dir) == (2.0, 15.0, None)
    assert settings.token_file == Path("/run/secrets/galera_token")


def test_variables_set_them(environment, tmp_path):
    environment.setenv("GALERA_OPERATOR_LOOK_EVERY", "0.5")
    environment.setenv("GALERA_OPERATOR_JOURNAL_DIR", str(tmp_path))
    settings = Settings()
    assert settings.look_every == 0.5
    assert settings.journal_dir == tmp_path


@pytest.mark.parametrize(
    ("name", "value"),
    [("LOOK_EVERY", "0"), ("LOOK_EVERY", "soon"), ("LEASE_TTL", "1"), ("LEASE_TTL", "1000"), ("LOG_JSON", "perhaps")],
)
def test_an_impossible_setting_is_refused_with_its_name(environment, name, value):
    environment.setenv(f"GALERA_OPERATOR_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_the_token_is_read_from_its_file_without_the_line_end(environment, tmp_path):
    (tmp_path / "token").write_text("hex\n")
    assert Settings(token_file=tmp_path / "token").token() == "hex"


def test_without_the_file_there_is_no_token(environment, tmp_path):
    assert Settings(token_file=tmp_path / "none").token() == ""


def test_each_setting_has_a_description_for_the_readme():
    assert all(field.description for field in Settings.model_fields.values())


@pytest.fixture
def logged(capsys):
    def lines():
        return capsys.readouterr().err.splitlines()

    yield lines
    logger.remove()


def test_a_line_has_a_time_with_its_offset_a_level_and_the_sentence(logged):
    log.configure()
    logger.info("shop_db: hold: calm")
    (line,) = logged()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d INFO    shop_db: hold: calm", line)


def test_lines_below_the_level_are_not_written(logged):
    log.configure("warning")
    logger.info("calm")
    logger.warning("not done")
    assert len(logged()) == 1


def test_on_request_each_line_is_json(logged):
    log.configure(as_json=True)
    logger.info("calm")
    assert json.loads(logged()[0])["record"]["message"] == "calm"


def test_a_traceback_does_not_show_the_values_of_variables(logged):
    log.configure()

    def fail(secret):
        raise RuntimeError(len(secret))

    try:
        fail("hex" * 3)
    except RuntimeError:
        logger.exception("failed")
    text = "\n".join(logged())
    assert "RuntimeError" in text
    assert "hexhexhex" not in text


def test_a_token_that_http_cannot_carry_is_refused_without_being_told(tmp_path):
    (tmp_path / "token").write_text("geheimnißvoll")
    with pytest.raises(Refused, match="holds more than printable ASCII") as caught:
        Settings(token_file=tmp_path / "token").token()
    assert "geheim" not in str(caught.value)
