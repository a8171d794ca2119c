"""A submission as one file: what bench.submit writes, and all that may be in it before anybody believes a word of it.

A zip archive: manifest.json (sizes and sha256 of the others, whose it is, what must be declared), record.json,
config.json, stats.npz, predictions/TASK/STEM.png|npy as bench.predictions writes them, and the plug-in under code/,
which is data: nothing here, and nothing on a server, runs it.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bench.record import METRICS, RECORD, SCHEMA, RunRecord

FORMAT = 1  # of a bundle
MANIFEST, CONFIG, STATS = "manifest.json", "config.json", "stats.npz"
SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
STEM = rf"(?:{SEGMENT}/){{0,4}}{SEGMENT}"
NAMES = {  # kind of file: its name, in full
    "json": re.compile(rf"{RECORD}|{CONFIG}"),
    "arrays": re.compile(STATS),
    "png": re.compile(rf"predictions/semseg/{STEM}\.png"),
    "npy": re.compile(rf"predictions/(?:depth|normals)/{STEM}\.npy"),
    "code": re.compile(rf"code/{STEM}\.(?:py|whl|toml|txt|md)"),
}
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
METHOD = re.compile(r"[a-z][a-z0-9_]{0,39}")
OVERRIDE = re.compile(
    r"(?:method|split|network)\.[A-Za-z0-9_.]{1,100}=[ -#%-~]{0,200}"
)  # no $: Hydra would put the reader's environment there
TEAM = r"[A-Za-z0-9][A-Za-z0-9 _.-]{1,39}"
CODES, SUMS = re.compile(r"<u2"), re.compile(r"[<|][iuf]\d|<U\d{1,4}")  # types of predictions, of statistics
HEADER = re.compile(
    rb"\{'descr': '([<|>=][A-Za-z]\d{1,4})', 'fortran_order': (?:True|False), "
    rb"'shape': \(((?:\d{1,9}, )*\d{0,9},?)\), \} *\n"
)
# what zipfile says of files that somebody broke
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    ArithmeticError,
)


class Refused(ValueError):
    """The bundle is not fit: one line, that its sender may read."""


@dataclass(frozen=True)
class Limits:
    """Of one bundle, bytes where nothing else is said."""

    bundle: int = 2 << 30
    expanded: int = 4 << 30
    file: int = 64 << 20
    words: int = 1 << 20  # a file of JSON
    files: int = 20_000
    pixels: int = 1 << 25  # of one prediction


LIMITS = Limits()
Line = Annotated[str, StringConstraints(max_length=400)]


class About(BaseModel):
    """What a sender declares beside the record."""

    model_config = ConfigDict(extra="forbid", strict=True)

    extra_data: Annotated[Line, Field(min_length=1)]  # used beside the split's own; "none"
    description: Line = ""
    link: Annotated[str, StringConstraints(max_length=200, pattern=r"^(https://[A-Za-z0-9./_~%?=&#+-]+)?$")] = ""
    citation: Annotated[str, StringConstraints(max_length=2000)] = ""


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    team: Annotated[str, StringConstraints(pattern=rf"^{TEAM}$")]
    about: About
    files: dict[str, Entry]

    @property
    def id(self) -> str:
        """Of the content: the same files packed once more have the same."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]

    @property
    def predictions(self) -> str:
        """A hash of all predictions: equal ones come from one network."""
        listed = sorted((name, one.sha256) for name, one in self.files.items() if name.startswith("predictions/"))
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def kind_of(name: str) -> str:
    """json, arrays, png, npy or code; "" for a name that no file of a bundle has."""
    return next((kind for kind, pattern in NAMES.items() if pattern.fullmatch(name)), "")


def pack(out: Path, team: str, about: About, files: Mapping[str, Path | bytes]) -> Manifest:
    """Write a bundle of {name: file or content}. Refused: a name or a file that no server takes."""
    for name in files:
        if not kind_of(name):
            raise Refused(f"{name!r} cannot be in a bundle")
    contents = {name: one if isinstance(one, bytes) else one.read_bytes for name, one in sorted(files.items())}
    entries: dict[str, Entry] = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in contents.items():
            whole = content if isinstance(content, bytes) else content()
            entries[name] = Entry(size=len(whole), sha256=hashlib.sha256(whole).hexdigest())
            kind = zipfile.ZIP_STORED if name.endswith((".png", ".npz", ".whl")) else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name), whole, kind)
        manifest = Manifest(format=FORMAT, team=team, about=about, files=entries)
        archive.writestr(zipfile.ZipInfo(MANIFEST), manifest.model_dump_json(indent=1), zipfile.ZIP_DEFLATED)
    return manifest


def inspect(file: Path, limits: Limits = LIMITS) -> tuple[Manifest, RunRecord]:
    """Read every byte of a bundle once and believe none; write nothing. Refused, in one line, at the first fault."""
    try:
        _directory(file, limits)
        with zipfile.ZipFile(file) as archive:
            members = _members(archive, file.stat().st_size, limits)
            manifest = _manifest(archive, members, limits)
            for name, entry in manifest.files.items():
                _member(archive, members[name], entry, kind_of(name), limits)
            return manifest, _record(archive.read(members[RECORD]))
    except Refused:
        raise
    except BROKEN as error:
        raise Refused(f"the archive is broken: {type(error).__name__}") from None


def unpack(file: Path, manifest: Manifest, to: Path, under: str = "") -> None:
    """Write the files whose names begin with `under`, by the manifest's names: only of what `inspect` let through."""
    with zipfile.ZipFile(file) as archive:
        for name in manifest.files:
            if name.startswith(under):
                target = to / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))


def read(file: Path) -> Manifest:
    """The manifest of a bundle that was let through before."""
    with zipfile.ZipFile(file) as archive:
        return Manifest.model_validate_json(archive.read(MANIFEST))


def _directory(file: Path, limits: Limits) -> None:
    """The end of an archive, before zipfile builds a list as long as it says."""
    size = file.stat().st_size
    if size > limits.bundle:
        raise Refused(f"{size} bytes; a bundle has at most {limits.bundle}")
    with file.open("rb") as raw:
        start = raw.read(4)
        raw.seek(max(0, size - 42))
        end = raw.read(42)
    if start != b"PK\x03\x04" or end[-22:-18] != b"PK\x05\x06":
        raise Refused("not a zip archive, or one with something before or after it")
    *_, count, length, at, comment = struct.unpack("<4s4H2LH", end[-22:])
    if end[:4] == b"PK\x06\x07" or count == 0xFFFF or 0xFFFFFFFF in (length, at):
        raise Refused("zip64 archives are not taken")
    if count > limits.files + 1 or length > 300 * (limits.files + 1):
        raise Refused(f"{count} files; a bundle has at most {limits.files}")
    if comment or at + length + 22 != size:
        raise Refused("not a zip archive, or one with something before or after it")


def _members(archive: zipfile.ZipFile, size: int, limits: Limits) -> dict[str, zipfile.ZipInfo]:
    """Each member by its name: ordinary files, none of them twice, together no larger than allowed."""
    infos = archive.infolist()
    if sum(info.file_size for info in infos) > limits.expanded:
        raise Refused(f"expands to more than {limits.expanded} bytes")
    if sum(info.compress_size for info in infos) > size:
        raise Refused("its members overlap")
    for info in infos:
        _ordinary(info)
        largest = limits.words if info.filename.endswith(".json") else limits.file
        if info.file_size > largest:
            raise Refused(f"{info.filename!r} has {info.file_size} bytes, at most {largest} are taken")
    folded = {info.filename.lower() for info in infos}
    if len(folded) < len(infos):
        raise Refused("two members have one name, but for upper and lower case")
    if parents := folded & {parent for name in folded for parent in _parents(name)}:
        raise Refused(f"{min(parents)!r} is a file and a folder")
    return {info.filename: info for info in infos}


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _ordinary(info: zipfile.ZipInfo) -> None:
    if info.filename != MANIFEST and not kind_of(info.filename) or info.orig_filename != info.filename:
        raise Refused(f"{info.orig_filename[:100]!a} is no name of a bundle's file")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise Refused(f"{info.filename!r} is a link or a device, not a file")
    if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refused(f"{info.filename!r} is encrypted, or neither stored nor deflated")


def _manifest(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], limits: Limits) -> Manifest:
    if MANIFEST not in members:
        raise Refused(f"no {MANIFEST}")
    try:
        manifest = Manifest.model_validate_json(archive.read(members[MANIFEST]))
    except ValidationError as error:
        raise Refused(f"{MANIFEST}: {said(error)}") from None
    if manifest.format != FORMAT:
        raise Refused(f"{MANIFEST} has format {manifest.format}, this server reads {FORMAT}")
    for name in sorted({*manifest.files, *members} - {MANIFEST}):
        if name not in manifest.files or name not in members or not kind_of(name):
            where = "the archive" if name in manifest.files else MANIFEST
            raise Refused(f"{name[:100]!a} is not in {where}")
    if RECORD not in manifest.files or not any(name.startswith("predictions/") for name in manifest.files):
        raise Refused(f"a bundle has {RECORD} and predictions")
    return manifest


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, entry: Entry, kind: str, limits: Limits) -> None:
    """Its size and hash, and what its first bytes promise to whoever reads it."""
    content = archive.read(info)
    if (len(content), hashlib.sha256(content).hexdigest()) != (entry.size, entry.sha256):
        raise Refused(f"{info.filename} is not what {MANIFEST} says: another size or sha256")
    try:
        if kind == "png":
            _png(content, limits)
        elif kind == "npy":
            _npy(io.BytesIO(content), len(content), CODES, limits)
        elif kind == "arrays":
            _arrays(content, limits)
    except Refused as error:
        raise Refused(f"{info.filename}: {error}") from None


def _png(content: bytes, limits: Limits) -> None:
    """8-bit grey, of a bounded size, by its header: no decoder has been let near it."""
    if len(content) < 33 or content[:16] != b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR":
        raise Refused("not a PNG file")
    width, height, bits, colour = struct.unpack(">IIBB", content[16:26])
    if (bits, colour) != (8, 0) or not 0 < width * height <= limits.pixels:
        raise Refused(f"{width}x{height}, {bits} bits, colour type {colour}; expected 8-bit grey")


def _npy(file: IO[bytes], size: int, types: re.Pattern[str], limits: Limits) -> None:
    """An array of these types that is as long as its header says; object arrays, so pickles, are of none.

    The header as numpy.save writes it and no other: numpy's own reader evaluates more than that.
    """
    start = file.read(10)
    if len(start) < 10 or start[:8] != b"\x93NUMPY\x01\0":
        raise Refused("not a file of numpy's format 1.0")
    (length,) = struct.unpack("<H", start[8:])
    header = HEADER.fullmatch(file.read(length)) if length <= 2000 else None
    if header is None:
        raise Refused("an array's header is not as numpy.save writes it")
    kind = header[1].decode()
    if not types.fullmatch(kind):
        raise Refused(f"an array of {kind}; predictions are uint16, and no pickle is taken")
    shape = [int(one) for one in header[2].replace(b",", b" ").split()]
    count = math.prod(shape)
    bytes_each = int(kind[2:]) * (4 if kind[1] == "U" else 1)
    if count > 2 * limits.pixels or len(shape) > 4 or size != 10 + length + count * bytes_each:
        raise Refused(f"an array of shape {shape}, too large, or not as long as that")


def _arrays(content: bytes, limits: Limits) -> None:
    """Statistics are an archive of their own: as few members, as small."""
    with zipfile.ZipFile(io.BytesIO(content)) as inner:
        infos = inner.infolist()
        if len(infos) > 100 or sum(info.file_size for info in infos) > 4 * limits.file:
            raise Refused("too many arrays, or too large")
        for info in infos:
            with inner.open(info) as file:
                _npy(file, info.file_size, SUMS, limits)


def _record(content: bytes) -> RunRecord:
    """What the sender says of the run, and nothing in it that a page, a table or a path could stumble over."""
    try:
        version = json.loads(content).get("schema_version")
        if version != SCHEMA:
            raise Refused(f"{RECORD} has schema version {str(version)[:20]!a}, this server reads {SCHEMA}")
        record = RunRecord.model_validate_json(content)
    except ValidationError as error:
        raise Refused(f"{RECORD}: {said(error)}") from None
    except (AttributeError, RecursionError):
        raise Refused(f"{RECORD} is no record") from None
    for path, value in _leaves(json.loads(content), 0):
        _plain(path, value)
    names = (record.split.get("name"), record.protocol, record.selection, record.network.name or "x",
             record.precision or "x", record.versions.get("bench"), *record.per_class, *record.class_sets)  # fmt: skip
    for name in names:
        if not isinstance(name, str) or not WORD.fullmatch(name.replace(" ", "_")):
            raise Refused(f"{RECORD}: {str(name)[:60]!a} is no name")
    if not METHOD.fullmatch(record.method):
        raise Refused(f"{RECORD}: {record.method[:60]!a} is no name of a method: small letters, digits, _")
    if not re.fullmatch(r"[0-9a-f]{8,64}", record.key):
        raise Refused(f"{RECORD}: its key is none")
    for word in record.overrides:
        if not OVERRIDE.fullmatch(word):
            raise Refused(f"{RECORD}: {word[:60]!a} is no word of a method, split or network")
    if strange := [name for name in record.metrics if name not in METRICS]:
        raise Refused(f"{RECORD}: no metric {strange[0][:60]!a}")
    if not record.metrics or record.incomplete:
        raise Refused(f"{RECORD}: its metrics are not all there")
    return record


def _leaves(value: Any, depth: int, path: str = "") -> Iterator[tuple[str, Any]]:
    if depth > 20:
        raise Refused(f"{RECORD}: nested too deep")
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield path, value
        return
    for name, one in inner:
        if not str(name).isprintable() or len(str(name)) > 100:
            raise Refused(f"{RECORD}: {str(name)[:60]!a} is no name")
        yield from _leaves(one, depth + 1, f"{path}.{name}" if path else str(name))


def _plain(path: str, value: Any) -> None:
    """A number that a column holds; a word of letters that can be seen, none that turns or hides its neighbours."""
    if isinstance(value, str) and not (len(value) <= 2000 and value.isprintable()):
        raise Refused(f"{RECORD}: {path[:60]} is too long, or has letters that cannot be printed")
    if isinstance(value, float | int) and not abs(value) < 1e15:
        raise Refused(f"{RECORD}: {path[:60]} is no number to be believed")


def said(error: ValidationError) -> str:
    """The first fault, in one line."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part)[:40] for part in first['loc'])}: {first['msg']}"[:300]
