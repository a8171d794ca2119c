"""Bundles that hypothesis makes up: whatever is sent, the answer is below 500 and nothing is kept that is not whole."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import bundle
from tests.leaderboard.bundles import LIMITS, contents, counter, told, zipped

FUZZ = settings(
    deadline=None, max_examples=100, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return counter(tmp_path_factory.mktemp("desk") / "store", hourly=10**6, daily=10**6, total=10**6)


def survives(desk, body, **more):
    """Refused, or taken whole: what lies there can be inspected again, and nothing else lies there."""
    answer = desk.send(body, **more)
    assert answer.status_code in (201, 400, 401, 403, 409, 411, 413), answer.text
    if answer.status_code == 201:
        bundle.inspect(desk.desk.folder(answer.json["id"]) / "bundle.zip", LIMITS)
    assert not list((desk.desk.root / "incoming").glob("*"))
    return answer.status_code


@FUZZ
@given(body=st.binary(max_size=400))
def test_any_bytes(desk, body):
    assert survives(desk, body) in (400, 411)


@FUZZ
@given(data=st.data())
def test_a_good_bundle_with_some_bytes_changed(desk, good, data):
    body = bytearray(good)
    for _ in range(data.draw(st.integers(1, 8))):
        near_the_end = data.draw(st.booleans())
        at = data.draw(st.integers(max(0, len(body) - 1500) if near_the_end else 0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(body)))
    survives(desk, bytes(body[:cut]))


@FUZZ
@given(name=st.text(max_size=60), content=st.binary(max_size=60))
def test_any_name(desk, good, name, content):
    try:
        body = zipped(told(contents(good) | {name: content}))
    except (ValueError, UnicodeError, zipfile.LargeZipFile):
        return  # no archive can have it
    survives(desk, body)


@FUZZ
@given(data=st.data())
def test_a_record_with_any_value_anywhere(desk, good, data):
    files = contents(good)
    record = json.loads(files["record.json"])
    field = data.draw(st.sampled_from(sorted(record)) | st.text(max_size=10))
    record[field] = data.draw(JSON)
    try:
        files["record.json"] = json.dumps(record).encode()
    except (ValueError, UnicodeError):
        return
    survives(desk, zipped(told(files)))


@FUZZ
@given(data=st.data())
def test_a_manifest_with_any_value_anywhere(desk, good, data):
    files = told(contents(good))
    manifest = json.loads(files["manifest.json"])
    manifest[data.draw(st.sampled_from(sorted(manifest)) | st.text(max_size=10))] = data.draw(JSON)
    survives(desk, zipped(files | {"manifest.json": json.dumps(manifest).encode()}))


@FUZZ
@given(data=st.data())
def test_any_content_of_any_file(desk, good, data):
    files = contents(good)
    name = data.draw(st.sampled_from(sorted(files)))
    old = files[name]
    at = data.draw(st.integers(0, min(len(old), 200)))
    files[name] = old[:at] + data.draw(st.binary(max_size=40)) + old[at + data.draw(st.integers(0, 40)) :]
    survives(desk, zipped(files if name == "manifest.json" else told(files)))


@FUZZ
@given(token=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=100))
def test_any_token(desk, token):
    assert desk.send(b"x", token).status_code == 401


@FUZZ
@given(path=st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=80))
def test_any_id(desk, path):
    headers = {"Authorization": f"Bearer {desk.token}"}
    assert desk.client.get(f"/api/v1/submissions/{path}", headers=headers).status_code < 500


def test_the_archive_that_tests_change_is_itself_taken(desk, good):
    assert survives(desk, zipped(told(contents(good)))) in (201, 409)
    assert zipfile.ZipFile(io.BytesIO(good)).testzip() is None
