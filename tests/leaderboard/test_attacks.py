"""What a stranger may send: each attack by its name is answered below 500, keeps nothing and loses nothing."""

from __future__ import annotations

import io
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest

from tests.leaderboard.bundles import changed, contents, counter, refused, told, with_file, zipped

PNG = "predictions/semseg/test/toy_000.png"
NPY = "predictions/depth/test/toy_000.npy"


@pytest.fixture(scope="module")
def desk(tmp_path_factory, good):
    """A board that has taken something already, which must be there at the end."""
    found = counter(tmp_path_factory.mktemp("desk") / "store")
    assert found.send(changed(good, seed=77)).status_code == 201
    return found


def infos(files, edit=lambda info: None):
    """An archive whose members' headers are edited before they are written."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            edit(info)
            archive.writestr(info, content)
    return out.getvalue()


NAMES = {
    "traversal": "predictions/semseg/../../../../etc/cron.d/x.png",
    "traversal in the code": "code/../../x.py",
    "traversal of Windows": "predictions\\semseg\\..\\..\\x.png",
    "absolute path": "/etc/cron.d/x.png",
    "absolute path of Windows": "C:/x.png",
    "null byte": "predictions/semseg/x.png\0.exe",
    "new line": "predictions/semseg/x\n.png",
    "right-to-left override": "predictions/semseg/\u202egnp.x.png",
    "full-width dots": "predictions/semseg/\uff0e\uff0e/x.png",
    "look-alike letter": "predictions/semseg/to\u0443.png",
    "hidden file": "predictions/semseg/.htaccess.png",
    "another task": "predictions/flow/x.png",
    "a program": "predictions/semseg/x.sh",
    "too deep": f"predictions/semseg/{'a/' * 6}x.png",
    "too long": f"predictions/semseg/{'a' * 300}.png",
    "a folder": "predictions/semseg/",
    "the server's own file": "run.json",
    "empty": "",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_name_that_is_none_is_refused(desk, good, name):
    refused(desk, with_file(good, name), 400)


def test_names_that_differ_in_case_only_are_refused(desk, good):
    body = with_file(good, PNG.replace("toy", "TOY"), contents(good)[PNG])
    assert "upper and lower case" in refused(desk, body, 400)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(desk, good):
    files = contents(good)
    out = io.BytesIO(good)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(PNG, files[PNG][::-1])
    refused(desk, out.getvalue(), 400)


def test_a_file_that_is_a_folder_too_is_refused(desk, good):
    refused(desk, zipped(told(contents(good) | {"code/a.py": b"", "code/a.py/b.py": b""})), 400)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO], ids=["symlink", "device", "fifo"])
def test_a_link_or_a_device_is_refused(desk, good, kind):
    files = told(contents(good) | {PNG: b"/etc/passwd"})

    def edit(info):
        if info.filename == PNG:
            info.external_attr, info.create_system = (kind | 0o777) << 16, 3

    assert "link or a device" in refused(desk, infos(files, edit), 400)


def test_a_tar_with_hard_links_is_refused(desk, good):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        one = tarfile.TarInfo("predictions/semseg/x.png")
        one.type, one.linkname = tarfile.LNKTYPE, "/etc/passwd"
        archive.addfile(one)
    refused(desk, out.getvalue(), 400)


def test_a_zip_bomb_is_refused_before_it_is_opened(desk, good):
    files = told(contents(good) | {f"predictions/depth/b{n}.npy": bytes(1 << 20) for n in range(8)})
    assert "expands" in refused(desk, zipped(files), 400)


def test_a_bomb_that_lies_about_its_size_is_refused(desk, good):
    body = bytearray(zipped(told(contents(good) | {"code/b.txt": bytes(900_000)})))
    at = body.rindex(b"code/b.txt") - 46 + 24
    assert struct.unpack_from("<I", body, at)[0] == 900_000
    struct.pack_into("<I", body, at, 10)
    refused(desk, bytes(body), 400)


def test_a_bomb_within_the_statistics_is_refused(desk, good):
    inner = zipped({"stems.npy": bytes(1 << 20), "a.npy": bytes(1 << 20), "b.npy": bytes(3 << 20)})
    refused(desk, zipped(told(contents(good) | {"stats.npz": inner})), 400)


def test_a_bomb_of_overlapping_members_is_refused(desk, good):
    body = bytearray(zipped(told(contents(good))))
    end = body.rindex(b"PK\5\6")
    count, length, start = struct.unpack_from("<HII", body, end + 10)
    entry = bytes(body[start : start + length])
    several = entry * 5
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 5 * count, 5 * count, len(several), start, 0)
    refused(desk, bytes(body[:start]) + several + tail, 400)


def test_many_files_are_refused_by_the_count_alone(desk, good):
    files = told(contents(good) | {f"code/f{n}.txt": b"" for n in range(200)})
    assert "at most 100" in refused(desk, zipped(files), 400)


def test_a_directory_that_says_it_is_endless_is_refused(desk, good):
    body = good[:-22] + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    refused(desk, body, 400)


@pytest.mark.parametrize(
    "around", [(b"#!/bin/sh\n", b""), (b"", b"<html>"), (b"MZ", b"MZ")], ids=["before", "after", "both"]
)
def test_an_archive_within_another_file_is_refused(desk, good, around):
    refused(desk, around[0] + good + around[1], 400)


def pickled():
    class Boom:
        def __reduce__(self):
            return print, ("it ran",)

    out = io.BytesIO()
    np.save(out, np.array([Boom()], dtype=object), allow_pickle=True)
    return out.getvalue()


def headed(header, body=b"\0" * 64):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


ARRAYS = {
    "an array of pickles": pickled(),
    "a bare pickle": pickle.dumps(print),
    "a huge header": headed(b"{" + b" " * 60000 + b"}"),
    "a header that is code": headed(
        b"{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': (1,)}"
    ),
    "a header that is nested": headed(b"(" * 1900),
    "a shape without end": headed(b"{'descr': '<u2', 'fortran_order': False, 'shape': (9999999, 9999999), }"),
    "a shape below nothing": headed(b"{'descr': '<u2', 'fortran_order': False, 'shape': (-1, 8), }"),
    "a structure": headed(b"{'descr': [('a', '<u2'), ('b', '|O')], 'fortran_order': False, 'shape': (8,), }"),
    "a length that is another": headed(b"{'descr': '<u2', 'fortran_order': False, 'shape': (8, 8), }"),
    "other numbers": headed(b"{'descr': '<f8', 'fortran_order': False, 'shape': (8,), }"),
    "nothing": b"",
}


@pytest.mark.parametrize("content", ARRAYS.values(), ids=ARRAYS.keys())
@pytest.mark.parametrize("name", [NPY, "stats.npz"], ids=["prediction", "statistics"])
def test_an_array_that_is_none_is_refused_and_never_unpickled(desk, good, content, name, capsys):
    if name == "stats.npz":
        if content == ARRAYS["other numbers"]:
            pytest.skip("statistics are such numbers")
        content = zipped({"stems.npy": content})
    refused(desk, zipped(told(contents(good) | {name: content})), 400)
    assert "it ran" not in capsys.readouterr().out


def png(width, height, bits=8, colour=0):
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + chunk


@pytest.mark.parametrize(
    "content",
    [
        png(100_000, 100_000),
        png(2**31 - 1, 2**31 - 1),
        png(0, 8),
        png(8, 8, 8, 6),
        png(8, 8, 16),
        b"GIF89a" + b" " * 99,
    ],
    ids=["a picture bomb", "the largest numbers", "no width", "colours", "16 bits", "another format"],
)
def test_a_picture_that_is_none_is_refused(desk, good, content):
    refused(desk, zipped(told(contents(good) | {PNG: content})), 400)
