"""A run that fails leaves word in its folder; the same command, once it can, finishes it and the word is gone."""

from __future__ import annotations

import pytest

from bench import failure, record, run
from tests.slurm import tiny


@pytest.fixture
def words(tmp_path):
    return [word for word in tiny.words(tmp_path, "method=source_only") if not word.startswith("slurm.")]


def test_a_run_that_fails_says_what_was_asked_for_and_why_nothing_came_of_it(tmp_path, words, monkeypatch, capsys):
    def explode(*args):
        raise failure.NotFinite("step 3: depth is nan")

    with monkeypatch.context() as patch:
        patch.setattr(run, "obtain", explode)
        assert run.main(words) == 1
    assert "step 3: depth is nan" in capsys.readouterr().err
    (folder,) = record.folders(tmp_path)
    assert (folder / record.RUN).exists() and not (folder / record.RECORD).exists()
    assert record.failure(folder) == ("not finite", "NotFinite: step 3: depth is nan")
    assert run.main(words) == 0
    assert (folder / record.RECORD).exists() and record.failure(folder) == ("", "")


def test_a_word_that_cannot_be_read_is_no_word(tmp_path):
    for content in ("", "[]", '{"reason": "error"}'):
        (tmp_path / record.FAILED).write_text(content)
        assert record.failure(tmp_path) == ("", "")


def test_to_be_asked_to_stop_is_no_failure(tmp_path):
    with pytest.raises(SystemExit), failure.noted(tmp_path):
        raise run.engine.Stopped
    assert record.failure(tmp_path) == ("", "")
