"""Words of the cluster: defaults, a site's file, the command line, in this order; one line where they are wrong."""

from __future__ import annotations

import pytest

from slurm import settings
from slurm.settings import SettingsError, read


@pytest.fixture(autouse=True)
def _no_site(monkeypatch):
    monkeypatch.delenv(settings.SITE, raising=False)


def test_the_command_line_is_above_the_sites_file_and_that_above_the_defaults(tmp_path, monkeypatch):
    (tmp_path / "site.yaml").write_text("partition: gpu\ncpus: 16\nsetup: [module load cuda]\noptions: {exclude: n7}\n")
    for words in ([f"slurm.site={tmp_path / 'site.yaml'}", "slurm.cpus=4"], ["slurm.cpus=4"]):
        found = read(words)
        assert (found.partition, found.cpus, found.minutes) == ("gpu", 4, 720)
        assert (found.setup, found.options) == (["module load cuda"], {"exclude": "n7"})
        monkeypatch.setenv(settings.SITE, str(tmp_path / "site.yaml"))


def test_words_of_runs_and_of_the_cluster_are_told_apart():
    assert settings.split_words(["seed=0", "slurm.gpus=2"]) == (["seed=0"], ["slurm.gpus=2"])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("slurm.partitio=gpu", "did you mean slurm.partition"),
        ("slurm.gpus=two", "slurm.gpus"),
        ("slurm.cluster=pbs", "known are slurm local debug"),
        ("slurm.site=/nowhere.yaml", "give the path of a YAML file"),
        ("slurm.nodes=0", "at least 1"),
        ("slurm.warn_seconds=9999999", "must be less"),
    ],
)
def test_a_word_that_is_wrong_is_answered_in_one_line(word, message):
    with pytest.raises(SettingsError, match=message) as error:
        read([word])
    assert "\n" not in str(error.value)


def test_a_limit_of_ten_minutes_is_refused_for_each_preemption_would_count_as_a_time_out():
    with pytest.raises(SettingsError, match="slurm.minutes=10 is too short; ask for 30"):
        read(["slurm.minutes=10"])


def test_one_machine_is_one_node():
    with pytest.raises(SettingsError, match="one machine"):
        read(["slurm.cluster=local", "slurm.nodes=2"])
