"""From runs to rows: a recipe a row, means and deviations over seeds, gains, marks, and why a row is not ranked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.record import HEADLINES, METRICS
from leaderboard.ranks import TOGETHER, Drawn, Rank, costs, over_seeds, ranks

SEEDS = 3  # that a ranked row has at least
MANY = 40  # rows that read alike, from which on nobody is helped by what tells them apart
SHOWN = ("miou", "abs_rel", "rmse", "angle_mean")
DEVELOPMENT = ("minicity_dev", "minicity_overcast")  # hyper-parameters were chosen on their target labels: never ranked
LAST = "last"
MARKED = ["oracle", "target_labels", "seeds", "why"]  # what a mark is made of
CLAIMED, SCORED, REPRODUCED = "self-reported", "scored", "reproduced"  # trust: of a row, the least of its runs


def rows(runs: pd.DataFrame) -> pd.DataFrame:
    """A row a recipe of one board's runs and one selection rule; unranked so far."""
    if not len(runs):
        return pd.DataFrame(columns=["id", "method"])
    whole = runs[runs["complete"]].drop_duplicates(["recipe", "seed"], keep="last")
    torn = runs[~runs["complete"]].drop_duplicates(["recipe", "seed"], keep="last")
    done = pd.MultiIndex.from_frame(whole[["recipe", "seed"]])
    torn = torn[~pd.MultiIndex.from_frame(torn[["recipe", "seed"]]).isin(done)]
    whole = whole.assign(delta=deltas(whole))
    shared = runs.drop_duplicates("recipe", keep="last").set_index("recipe")
    groups = whole.groupby("recipe")
    numbers = [*SHOWN, "delta", "hours", "images_per_second", "ratio", "parameters", "steps"]
    means = groups[numbers].mean().reindex(shared.index)
    spread = groups[[*SHOWN, "delta"]].std().add_suffix("_std").reindex(shared.index)
    kept = "team extra method role oracle target_labels selection limit standard network weights precision world"
    kept += " overrides declared bench family device testbed manifest scored classes"
    table = shared[kept.split()]
    table = table.join([means, spread])
    table["seeds"] = groups.size().reindex(shared.index, fill_value=0)
    absent = missing(torn)
    table["torn"] = pd.Series([absent.get(recipe, []) for recipe in shared.index], index=table.index, dtype=object)
    table["completed"] = groups["created"].last().reindex(shared.index).fillna("")  # runs come oldest first
    table["date"] = table["completed"].str[:10]
    table["trust"] = CLAIMED
    for level, column in ((SCORED, "stats"), (REPRODUCED, "reproduced")):
        table.loc[groups[column].all().reindex(shared.index, fill_value=False), "trust"] = level
    keys: dict[str, list[str]] = {}
    for recipe, key in zip(whole["recipe"], whole["key"], strict=True):
        keys.setdefault(recipe, []).append(key)
    table["runs"] = [tuple(keys.get(recipe, ())) for recipe in shared.index]
    table = table.reset_index(names="id")
    table["variant"] = variants(table)
    table["gap"] = gaps(table)
    development = runs["split"].iloc[0] in DEVELOPMENT
    usual = {name: usually(whole, name) for name in ("manifest", "declared")}
    table["beside"] = table["limit"].isna()  # may stand beside the others in a figure: the same question was asked
    for name, value in usual.items():
        table["beside"] &= table[name] == value
    table["why"] = reasons(table, usual, development)
    return table


def missing(torn: pd.DataFrame) -> dict[str, list[tuple[str, str]]]:
    """Of each recipe, the seeds that have no whole record: what is said of each, and its run."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in dicts(torn[["recipe", "seed", "failed", "key"]].sort_values("seed")):
        said = f"seed {row['seed']} {row['failed'] or 'incomplete'}"
        found.setdefault(row["recipe"], []).append((said, row["key"]))
    return found


def gain(values: pd.DataFrame, base: pd.DataFrame, metrics: Sequence[str]) -> pd.Series:
    """Percent, positive is better: the mean over tasks of s (m - b) / |b|, one metric a task (bench/tasks/delta.py).

    NaN where a metric is there on one side only.
    """
    gains = {}
    for name in metrics:
        sign = 1 if METRICS[name].higher_is_better else -1
        each = 100 * sign * (values[name] - base[name]) / base[name].abs()
        one_sided = values[name].isna() != base[name].isna()
        gains[name] = each.mask(one_sided, math.inf)
    mean = pd.DataFrame(gains).mean(axis=1)
    return mean.mask(~np.isfinite(mean))


def deltas(runs: pd.DataFrame) -> pd.Series:
    """Each run's multi-task delta against the single-task networks of its seed, on the same bench."""
    single = plainest(runs[runs["role"] == "single"], ["bench", "seed"])
    index = pd.MultiIndex.from_frame(runs[["bench", "seed"]])
    metrics = [metric.name for metric in HEADLINES.values()]
    base = single[metrics].reindex(index).set_axis(runs.index)
    return gain(runs, base, metrics)


def plainest(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Of each group the row with the fewest words changed, then the newest; indexed by the group."""
    words = table["overrides"].map(lambda one: len(one.split()))
    ordered = table.iloc[::-1].assign(words=words.iloc[::-1]).sort_values("words", kind="stable")
    return ordered.drop_duplicates(by).set_index(by)


def gaps(table: pd.DataFrame) -> pd.Series:
    """The share, in percent, of the way from source only to the oracle: the mean over the tasks' headlines."""
    floor = plainest(table[table["role"] == "baseline"], ["bench"])
    ceiling = plainest(table[table["oracle"] & (table["selection"] == LAST)], ["bench"])
    shares = {}
    for name in (metric.name for metric in HEADLINES.values()):
        low, high = (table["bench"].map(side[name]) for side in (floor, ceiling))
        shares[name] = 100 * (table[name] - low) / (high - low)
    return pd.DataFrame(shares, index=table.index).replace([math.inf, -math.inf], math.nan).mean(axis=1)


def variants(table: pd.DataFrame) -> pd.Series:
    """What tells a row from others of its method: the words that were changed, then whatever else differs."""
    words = [[one] if one else [] for one in table["overrides"]]
    for mine, team in zip(words, table["team"], strict=True):
        mine += [f"by {team}"] if team else []
    for name in ("network", "weights", "precision", "world", "limit"):
        if table[name].nunique(dropna=False) > 1:
            for mine, value in zip(words, table[name], strict=True):
                mine += [f"{name}={str(value)[:12]}"] if pd.notna(value) and value not in ("", "none") else []
    return pd.Series([" ".join(mine) for mine in words], index=table.index)


def told_apart(table: pd.DataFrame, settings: Callable[[str], Mapping[str, str]]) -> pd.Series:
    """The variants; where two rows of a method read alike, with the settings of their newest runs that differ."""
    found = table["variant"].copy()
    alike = table[table.duplicated(["method", "variant"], keep=False)]
    for _, same in alike.groupby(["method", "variant"], sort=False):
        if len(same) > MANY:
            continue
        each = {at: settings(runs[-1]) if runs else {} for at, runs in zip(same.index, same["runs"], strict=True)}
        names = dict.fromkeys(name for one in each.values() for name in one)
        differ = [name for name in names if len({one.get(name) for one in each.values()}) > 1]
        for at, one in each.items():
            words = [str(found[at]), *(f"{name}={one[name]}" for name in differ[:3] if name in one)]
            found[at] = " ".join(words).strip()
    twice = pd.DataFrame({"method": table["method"], "words": found}).duplicated(keep=False)
    return found.where(~twice, (found + " recipe=" + table["id"].str[:6]).str.strip())


def usually(whole: pd.DataFrame, name: str) -> str:
    """Of the test images, or of the split's declaration, the one of most runs: only its rows can be compared."""
    scored = whole[whole["stats"]]  # where there are any, claims have no vote
    known = scored if len(scored) else whole
    standard = known[known["standard"]]
    counts = (standard if len(standard) else known)[name].value_counts()
    return str(counts.index[0]) if len(counts) else ""


def reasons(table: pd.DataFrame, usual: Mapping[str, str], development: bool) -> list[str]:
    """Why each row is not ranked; empty for one that is."""
    needed = "oracle selection target_labels limit standard seeds torn manifest declared trust"
    return [reason(row, usual, development) for row in dicts(table[needed.split()])]


def reason(row: Mapping[str, Any], usual: Mapping[str, str], development: bool) -> str:
    if row["oracle"]:
        return "picked by target labels" if row["selection"] == "oracle" else "oracle: learnt from target labels"
    if row["target_labels"]:
        return f"lent {row['target_labels']:.0%} of the target's labels"
    if pd.notna(row["limit"]):
        return f"a quick look at {row['limit']:.0f} images"
    if not row["standard"]:
        return "not the split as declared"
    if row["declared"] != usual["declared"]:
        return "the split was declared otherwise then"
    if development:
        return "a split for choosing hyper-parameters"
    if row["seeds"] < SEEDS:
        return "; ".join([f"{row['seeds']} of {SEEDS} seeds", *(said for said, _ in row["torn"])])
    if row["manifest"] != usual["manifest"]:
        return "another set of test images"
    if row["trust"] == CLAIMED:
        return "self-reported: no statistics to score from"
    return ""


def mark(row: Mapping[str, Any]) -> str:
    """A word in the place of a rank; `why` says it in full."""
    if row["oracle"]:
        return "oracle"
    if row["target_labels"]:
        return "lent labels"
    if row["seeds"] < SEEDS:
        return f"{row['seeds']} seed{'s' * (row['seeds'] != 1)}"
    return "unranked" if row["why"] else "..."


def dicts(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of any table, each as {column: value}. pandas' own takes every string out of Arrow by itself."""
    names = [str(name) for name in table.columns]
    columns = [table[name].to_numpy(object) for name in table.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def headlines_of(scored: Sequence[str]) -> list[str]:
    """The headline metrics of the tasks a split scores, in their order."""
    return [metric.name for task, metric in HEADLINES.items() if task in scored]


def choices(scored: Sequence[str]) -> list[str]:
    """What a board may be ranked by: all tasks together, where there are several, then each headline."""
    names = headlines_of(scored)
    return [TOGETHER, *names] if len(names) > 1 else names


def place(table: pd.DataFrame, by: str, drawn: Mapping[str, Drawn]) -> pd.DataFrame:
    """The rows with their ranks by one metric, or by all; best first, unranked ones after. drawn: by run.

    Rows of the same place stand in the order in which they were complete.
    """
    metrics = headlines_of(table["scored"].iloc[0]) if by == TOGETHER else [by]
    table = table.copy()
    missing = table[metrics].isna().any(axis=1) & (table["why"] == "")
    table.loc[missing, "why"] = "not scored in every task ranked by"
    there = np.array([all(run in drawn for run in runs) for runs in table["runs"]], bool)
    ranked = table[(table["why"] == "") & there].sort_values("completed", kind="stable")
    found: dict[str, Rank] = {}
    if len(ranked):
        samples = {
            row["id"]: {m: over_seeds(row["id"], [drawn[run] for run in row["runs"]], m) for m in metrics}
            for row in dicts(ranked[["id", "runs"]])
        }
        plain = {row["id"]: {m: np.array([row[m]]) for m in metrics} for row in dicts(ranked[["id", *metrics]])}
        found = ranks(list(ranked["id"]), costs(plain, metrics)[:, 0], costs(samples, metrics))
    for name in ("place", "low", "high", "group", "beats_next"):
        table[name] = [getattr(found[one], name) if one in found else math.nan for one in table["id"]]
    shared = table["place"].duplicated(keep=False)
    table["rank"] = [
        mark(row) if pd.isna(p) else f"{p:.0f}{'=' * tie}{f' ({a:.0f}-{b:.0f})' * (a != b)}"
        for row, p, a, b, tie in zip(
            dicts(table[MARKED]), table["place"], table["low"], table["high"], shared, strict=True
        )
    ]
    first = metrics[0]
    table["_unranked"] = table["place"].isna()
    table["_when"] = table["completed"].where(~table["_unranked"], "")
    table["_by"] = table[first] * (-1 if METRICS[first].higher_is_better else 1)
    table["_bound"] = table["oracle"] | (table["target_labels"] > 0)
    table["_apart"] = ~table["beside"]
    order = ["_unranked", "place", "_when", "_bound", "_apart", "_by", "date", "method"]
    table = table.sort_values(order, kind="stable")
    return table.drop(columns=["_unranked", "_when", "_by", "_bound", "_apart"]).reset_index(drop=True)
