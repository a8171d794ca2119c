"""What a stranger may write into a record or a manifest, or leave out: refused in one line, nothing kept."""

from __future__ import annotations

import json

import pytest

from tests.leaderboard.bundles import LIMITS, changed, contents, counter, refused, told, zipped

PNG = "predictions/semseg/test/toy_000.png"
NPY = "predictions/depth/test/toy_000.npy"


@pytest.fixture(scope="module")
def desk(tmp_path_factory, good):
    """A board that has taken something already, which must be there at the end."""
    found = counter(tmp_path_factory.mktemp("desk") / "store")
    assert found.send(changed(good, seed=77)).status_code == 201
    return found


RECORDS = {
    "unknown schema version": {"schema_version": 99},
    "no schema version": {"schema_version": None},
    "a field that nobody knows": {"admin": True},
    "XSS in the method": {"method": "<script>alert(1)</script>"},
    "a path for a method": {"method": "../../admin"},
    "a page for a method": {"method": "x?split=y#"},
    "XSS in the split": {"split": {"name": "<img src=x onerror=alert(1)>"}},
    "no split": {"split": {}},
    "CSV injection": {"overrides": ['=HYPERLINK("http://x","y")']},
    "a formula for a method": {"method": "=1+1"},
    "the reader's environment": {"overrides": ["method.x=${oc.env:HOME}"]},
    "a flag for a word": {"overrides": ["--multirun"]},
    "a path for a key": {"key": "../../../etc"},
    "letters that turn others": {"commit": "abc\u202edef"},
    "a null byte": {"precision": "fp\u000032"},
    "a metric of its own": {"metrics": {"miou": 1.0, "<b>": 1.0}},
    "no metric": {"metrics": {}},
    "a metric that is not finite": {"metrics": {"miou": None}},
    "a number without end": {"cost": {"steps": 10**30}},
    "a text without end": {"batchnorm": "x" * 10_000},
    "nested without end": {"config": json.loads("[" * 150 + "]" * 150)},
    "another type": {"seed": "zero"},
    "too much of it": {"config": {f"k{n}": "x" * 1000 for n in range(400)}},
    "another evaluator": {"versions": {"bench": "9.9.0"}},
}


@pytest.mark.parametrize("fields", RECORDS.values(), ids=RECORDS.keys())
def test_a_record_that_is_none_is_refused(desk, good, fields):
    refused(desk, changed(good, **fields), 400)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"schema_version": 1}', b"\xff\xfe", b"[" * 200_000, b'{"a": 1' + b"0" * 5000 + b"}",
     b'{"schema_version": 1, "seed": NaN}'],
    ids=["empty", "torn", "a list", "null", "nothing in it", "no text", "deep", "a long number", "NaN"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["record.json", "manifest.json"])
def test_json_that_is_broken_is_refused(desk, good, content, name):
    files = contents(good)
    body = told(files | {name: content}) if name == "record.json" else {**files, name: content}
    refused(desk, zipped(body), 400)


MANIFESTS = {
    "unknown format": {"format": 2},
    "no declaration of extra data": {"about": {}},
    "a link that is a script": {"about": {"extra_data": "none", "link": "javascript:alert(1)"}},
    "a field that nobody knows": {"trust": "reproduced"},
    "a hash that is none": {"files": {"record.json": {"size": 1, "sha256": "../x"}}},
    "nothing listed": {"files": {}},
}


@pytest.mark.parametrize("fields", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_that_is_none_is_refused(desk, good, fields):
    refused(desk, zipped(told(contents(good), **fields)), 400)


def test_a_wrong_hash_is_refused(desk, good):
    files = contents(good)
    files[NPY] = files[NPY][:-1] + bytes([files[NPY][-1] ^ 1])
    assert "sha256" in refused(desk, zipped(files), 400)


def test_a_file_that_the_manifest_does_not_list_is_refused(desk, good):
    refused(desk, zipped(contents(good) | {"code/x.py": b""}), 400)


def test_a_file_that_is_listed_and_not_there_is_refused(desk, good):
    files = contents(good)
    del files[PNG]
    refused(desk, zipped(files), 400)


def test_no_predictions_are_refused(desk, good):
    files = {name: one for name, one in contents(good).items() if not name.startswith("predictions/")}
    refused(desk, zipped(told(files)), 400)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_bundle_is_refused(desk, good, part):
    refused(desk, good[: int(part * len(good))], 400, 411)


def test_a_body_that_ends_too_soon_is_refused(desk, good):
    refused(desk, good[:1000], 400, environ_overrides={"CONTENT_LENGTH": str(len(good))})


def test_an_oversized_bundle_is_refused_by_its_length(desk):
    refused(desk, b"PK\3\4" + bytes(LIMITS.bundle), 413)


def test_a_missing_content_length_is_refused(desk, good):
    refused(desk, good, 411, environ_overrides={"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"})


@pytest.mark.parametrize("length", ["-5", "1e9", "0x10", " ", "9" * 40])
def test_a_content_length_that_is_none_is_refused(desk, good, length):
    refused(desk, good, 400, 411, 413, environ_overrides={"CONTENT_LENGTH": length})


def test_bytes_that_are_no_archive_are_refused(desk):
    for body in (b"", b"PK", b"PK\5\6" + bytes(18), bytes(5000), b"PK\3\4" + bytes(5000)):
        refused(desk, body, 400, 411)
