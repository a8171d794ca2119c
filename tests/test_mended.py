"""A file that goes bad between two starts of a run stops it by its name, and the mended run ends with the same bits."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import plugins, run
from tests import fixtures

IMAGE, LABEL = "train/0016E5_00420.png", "trainannot/0016E5_00420.png"


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set; and runs that end with their training."""
    fixtures.camvid(tmp_path / "camvid")
    monkeypatch.setattr(run, "program", lambda *_: None)
    monkeypatch.setattr(run.report, "summary", lambda *_: "")
    return tmp_path / "camvid"


def trained(drive: Path, store: Path) -> int:
    words = (
        "method=source_only split=camvid_day2dusk split.budget=4 split.batch=1 split.crop=[32,32] device=cpu".split()
    )
    return run.main([*words, "workers=0", "save_minutes=0", f"data.camvid={drive}", f"store={store}"])


def weights(store: Path) -> dict[str, torch.Tensor]:
    (path,) = store.rglob("product.pt")
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["module"]
    return found


def asks_to_stop(step: Callable[..., Any], at: int) -> Callable[..., Any]:
    def stepped(self: Any, t: int, *batches: Any) -> Any:
        if t == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, t, *batches)

    return stepped


@pytest.mark.parametrize("bad", [IMAGE, LABEL])
def test_a_file_that_went_bad_stops_the_run_by_its_name_and_the_mended_run_goes_on_where_it_was(
    bad: str, drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    assert trained(drive, tmp_path / "straight") == 0
    method = plugins.method("source_only")
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(method, "step", asks_to_stop(method.step, at=1))
        trained(drive, tmp_path / "store")
    whole = (drive / bad).read_bytes()
    (drive / bad).write_bytes(whole[:1000])
    capfd.readouterr()
    assert trained(drive, tmp_path / "store") in (1, 2)
    assert f"camvid/{bad}: truncated at byte 1000 of an image of 480x360; copy it again" in capfd.readouterr().err
    assert not list((tmp_path / "store").rglob("product.pt"))
    (drive / bad).write_bytes(whole)
    seen: list[int] = []
    step = method.step
    monkeypatch.setattr(method, "step", lambda self, t, *batches: (seen.append(t), step(self, t, *batches))[1])
    assert trained(drive, tmp_path / "store") == 0
    assert seen == [2, 3]
    mended, straight = weights(tmp_path / "store"), weights(tmp_path / "straight")
    assert mended.keys() == straight.keys() and all(torch.equal(mended[name], straight[name]) for name in straight)
