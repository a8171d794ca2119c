"""Several sources or targets in one split: whose images a stage reads, under which names, places and keys."""

from __future__ import annotations

import dataclasses

import pytest

import bench.domains
from bench import check, criteria, plan, plugins, run
from bench.config import ConfigError, compose_run
from bench.domains import Domains, MissingData, free_splits
from bench.plain import from_plain, to_plain
from bench.split import Domain, Split
from bench.store import problem_from
from tests import fixtures_indoor
from tests.test_score import SPLIT

SIZE = check.SIZE


def world(part: str, limit: int = 4) -> Domain:
    return Domain(dataset="minicity", part=part, size=SIZE, limit=limit)


def tiny(tmp_path, *words, method="source_only", source=("render-train",), target=("camera-train",)):
    made = check.tiny(method, tmp_path, words=words)
    sources, targets = [world(part) for part in source], [world(part, 6) for part in target]
    made.split = dataclasses.replace(made.split, source=sources, target=targets)
    return made, Domains(made.split, {}, tmp_path, workers=1, show=False)


TWO = {"source": ("render-train", "night-train"), "target": ("camera-train", "night-test")}
NAMES = [f"minicity/{part}" for part in (*TWO["source"], *TWO["target"])]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


def test_a_problem_names_its_domains_in_the_splits_order_and_survives_json(store):
    made, domains = tiny(store, **TWO)
    problem = run.prepare(made, domains).problem
    assert [*problem.sources, *problem.targets] == NAMES
    assert problem_from(plan.describe(problem)) == problem


def test_feeds_number_the_images_of_all_targets_on(store):
    made, domains = tiny(store, method="adabn", **TWO)
    root = run.prepare(made, domains)
    feeds, steps = run.open_feeds(root, None, domains, check.DEVICE, 0)
    batches = list(feeds.target.iterate(0, steps))
    assert [int(i) for batch in batches for i in batch.ids] == list(range(12)) and feeds.num_target == 12
    assert [int(i) for batch in batches for i in batch.domain] == [0] * 6 + [1] * 6


def test_a_stage_of_one_source_sees_that_source_alone_under_its_place(store):
    made, domains = tiny(store, f"method.domain={NAMES[1]}", **TWO)
    root = run.prepare(made, domains)
    feeds, _ = run.open_feeds(root, None, domains, check.DEVICE, 0)
    assert set(next(feeds.source.iterate(0, 1)).domain.tolist()) == {1}
    assert list(root.recipe["data"]["source"]) == [NAMES[1]]


def test_a_pack_of_normals_that_came_from_depth_by_other_code_is_not_taken(store, monkeypatch):
    _, domains = tiny(store)
    (domain,), fields = domains.split.source, ("image", "depth", "normals")

    def place():
        return domains.place(domain, fields, domains.index(domain))

    given = place()
    monkeypatch.setattr(bench.domains, "NORMALS", -1)
    assert place() == given  # by the renderer
    monkeypatch.setattr(plugins.dataset("minicity"), "TASKS", ("semseg", "depth"))
    derived = place()
    monkeypatch.setattr(bench.domains, "NORMALS", -2)
    assert len({given, derived, place()}) == 3


def test_normals_of_another_kind_than_the_split_says_are_refused_in_one_line(store):
    _, domains = tiny(store)
    domains.split.normals = "from depth"
    with pytest.raises(ValueError) as refusal:
        domains.require()
    says = f'split {domains.split.name} says normals="from depth"'
    assert str(refusal.value) == f"{says}, those of {NAMES[0]} are given: one split, one kind of normals"
    domains.split.tasks = domains.split.scored = ("semseg", "depth")
    domains.require()


def test_a_zoom_that_would_divide_an_inverse_depth_is_refused_in_one_line(store, monkeypatch):
    _, domains = tiny(store)
    domains.split.augment = dataclasses.replace(domains.split.augment, zoom=(1.0, 1.5))
    domains.require()
    monkeypatch.setattr(plugins.dataset("minicity"), "INVERSE_DEPTH", True, raising=False)
    line = f"augment.zoom of 1..1.5 would divide the inverse depth of {NAMES[0]}; say split.augment.zoom=[1,1]"
    with pytest.raises(ValueError) as refusal:
        domains.require()
    assert str(refusal.value) == line
    domains.split.augment.zoom = [1.0, 1.0]  # as the command line gives it
    domains.require()


def test_an_oracle_learns_from_every_target(store):
    made, domains = tiny(store, method="target_oracle", **TWO)
    root = run.prepare(made, domains)
    feeds, _ = run.open_feeds(root, None, domains, check.DEVICE, 0)
    assert list(root.problem.sources) == NAMES[2:]
    assert set(next(feeds.source.iterate(0, 1)).domain.tolist()) == {0, 1}


def test_labels_are_lent_of_each_target_and_a_target_without_any_is_named(store):
    _, domains = tiny(store, **TWO)
    assert [len(pack) for pack in domains.lent(0.5).values()] == [3, 3]
    with pytest.raises(ValueError, match=f"of 6 images of {NAMES[2]} is no image at all$"):
        domains.lent(0.05)


def test_targets_without_labels_of_a_task_cannot_serve_an_oracle_with_it(store, monkeypatch):
    _, domains = tiny(store, **TWO)
    both = [*domains.split.target, Domain(dataset="camvid", part="train", size=SIZE)]
    assert Domains(dataclasses.replace(domains.split, target=both), {}, store).target_tasks() == ("semseg",)


def test_a_domain_that_is_listed_twice_is_refused(store):
    made, domains = tiny(store, source=("render-train", "render-train"))
    with pytest.raises(ValueError, match="^split minicity lists minicity/render-train twice"):
        run.prepare(made, domains)


def test_the_images_that_criteria_look_at_are_of_all_targets(store):
    _, domains = tiny(store, **TWO)
    one, two = criteria.images_of(domains, 5, cameras=True)
    assert (one.places, two.places) == ([0, 3], [0, 2, 5])
    assert set(one.cameras) == {0, 3}
    (first,) = criteria.images_of(domains, 1, cameras=False)
    assert first.places == [0] and not first.cameras


def test_a_splits_domains_are_set_by_their_place_on_the_command_line():
    made = compose_run(
        ["method=source_only", "split=minicity", "split.target.0.size=[64,32]", "split.source.0.limit=3"]
    )
    assert made.split.target == [Domain(dataset="minicity", part="camera-train", size=(64, 32))]
    assert made.split.source[0].limit == 3


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("split.target.size=[64,32]", "a split's target is a list; say split.target.0.size="),
        ("split.source.1.limit=3", "split minicity has source 0 only"),
    ],
)
def test_a_place_that_is_not_there_is_one_clear_line(word, line):
    with pytest.raises(ConfigError) as refusal:
        compose_run(["method=source_only", "split=minicity", word])
    assert line in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_data_set_that_is_not_there_stops_only_the_splits_that_use_it(monkeypatch):
    gone = dataclasses.replace(SPLIT, name="gone", source=[Domain(dataset="nowhere", part="train", size=SIZE)])
    literals = plugins.splits()
    monkeypatch.setattr(plugins, "splits", lambda: {"gone": gone, **literals})
    assert free_splits()[0] == "minicity" and "gone" not in free_splits()


def test_a_split_survives_json_and_one_of_the_old_form_is_refused():
    assert from_plain(Split, to_plain(SPLIT)) == SPLIT
    with pytest.raises(ValueError, match="^expected a list, got"):
        from_plain(Split, to_plain(SPLIT) | {"target": to_plain(SPLIT.target[0])})


def test_a_truth_that_a_copy_may_be_without_is_said_not_to_be_scored_and_to_learn_from_it_is_refused(tmp_path, capsys):
    pytest.importorskip("h5py", reason="pip install -e '.[indoor]'")
    fixtures_indoor.nyuv2(tmp_path / "nyu", normals=False)
    rooms = [Domain(dataset="nyuv2", part=part, size=(640, 480)) for part in ("train", "test")]
    split = dataclasses.replace(
        plugins.split("hypersim2nyud"), source=[world("render-train")], target=[rooms[0]], test=rooms[1]
    )
    roots = {"nyuv2": tmp_path / "nyu"}
    Domains(split, roots, tmp_path, show=True).require()
    assert "nyuv2/test has no truth of normals here: not scored" in capsys.readouterr().out
    with pytest.raises(MissingData, match="nyuv2/train has no normals to learn from"):
        Domains(dataclasses.replace(split, source=[rooms[0]]), roots, tmp_path, show=True).require()
