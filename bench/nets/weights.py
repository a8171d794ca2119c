"""Published weights: local files that fit to the last tensor, and are known by their content.

A weight file is given by its path, or by its published name: then it lies in torch's cache, where torchvision's own are
fetched to. A name with digits of a hash, as torch hub writes them, holds the file to them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import torch
from torch import nn

DIGEST = "sha256:"  # before a digest that stands, in a recipe, for a file that may since have moved
COUNTER = ".num_batches_tracked"  # of BatchNorm: no weight, and absent from older files

TORCHVISION, DRN, SEGFORMER = (
    "https://download.pytorch.org/models/",
    "http://dl.yf.io/drn/",
    "github.com/NVlabs/SegFormer",
)
PUBLISHED = {  # file: where it is had
    "resnet50-0676ba61.pth": f"{TORCHVISION}resnet50-0676ba61.pth",  # IMAGENET1K_V1
    "resnet50-11ad3fa6.pth": f"{TORCHVISION}resnet50-11ad3fa6.pth",  # IMAGENET1K_V2
    "resnet101-63fe2227.pth": f"{TORCHVISION}resnet101-63fe2227.pth",
    "resnet101-cd907fc2.pth": f"{TORCHVISION}resnet101-cd907fc2.pth",
    "drn_d_22-4bd2f8ea.pth": f"{DRN}drn_d_22-4bd2f8ea.pth",
    "drn_d_38-eebb45f0.pth": f"{DRN}drn_d_38-eebb45f0.pth",
} | {f"mit_b{size}.pth": SEGFORMER for size in range(6)}  # of no published hash
HASH = re.compile(r"-([0-9a-f]{8,64})\.pth$")  # the first digits of a file's sha256, in its name
UNKNOWN = "unknown"

_replaced: ContextVar[bool] = ContextVar("replaced", default=False)


@contextmanager
def replaced() -> Iterator[None]:
    """Within, networks are built without their weight files: a finished stage's own state is about to be loaded."""
    before = _replaced.set(True)
    try:
        yield
    finally:
        _replaced.reset(before)


def load_exactly(net: nn.Module, path: str) -> None:
    """Load a local weight file; one line of ValueError if it is missing or any tensor does not fit."""
    if _replaced.get():
        return
    file = located(path)
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        there = {name: value.shape for name, value in state.items()}
    except Exception as error:  # torch.load meets what it does not know with errors of every kind
        raise ValueError(f"network.weights: {path} is no state dict ({type(error).__name__})") from error
    wanted = {name: value.shape for name, value in net.state_dict().items()}
    optional = {name for name in wanted if name.endswith(COUNTER)} - there.keys()
    odd = sorted(name for name in (wanted.keys() | there.keys()) - optional if wanted.get(name) != there.get(name))
    if odd:
        raise ValueError(f"network.weights: {path} does not fit: {len(odd)} tensors differ, first {odd[0]}")
    net.load_state_dict(state, strict=False)


def weight_hash(path: str) -> str:
    """sha256 of a weight file, "none" if there is none: what a record and a key say about the start."""
    if path == "none" or path.startswith(DIGEST):
        return path.removeprefix(DIGEST)
    return _sha256(located(path))


def published(digest: str) -> str:
    """The published file that has this sha256, "unknown" if no hash of it is published, "" for no weights at all."""
    names = (name for name in PUBLISHED if (digits := HASH.search(name)) and digest.startswith(digits[1]))
    return "" if digest == "none" else next(names, UNKNOWN)


def located(path: str) -> Path:
    """The local file; one line of ValueError if there is none, or if it is not what its name says."""
    file = Path(path)
    if not file.is_file() and path in PUBLISHED:
        file = Path(torch.hub.get_dir(), "checkpoints", path)
        if not file.is_file() and PUBLISHED[path].startswith(TORCHVISION):
            _fetch(PUBLISHED[path], file)
    if not file.is_file():
        other = 'give another, or "none" to start from scratch'
        if file.name in PUBLISHED:
            raise ValueError(
                f'network.weights: no file "{file}"; put it there, it is had from {PUBLISHED[file.name]}; or {other}'
            )
        raise ValueError(
            f'network.weights: no file "{path}"; published ones are had from {TORCHVISION}, {DRN} and {SEGFORMER}; '
            f"{other}"
        )
    if (digits := HASH.search(file.name)) and not _sha256(file).startswith(digits[1]):
        raise ValueError(
            f"network.weights: {file} is not what its name says: its sha256 starts with {_sha256(file)[:8]}; "
            "get it anew, or rename it if it is another"
        )
    return file


def _fetch(address: str, file: Path) -> None:
    """Put a published file into torch's cache, whole or not at all. ValueError says where else it may come from."""
    print(f"fetching {address} to {file}", flush=True)
    sibling, digits = file.with_name(f".{file.name}.{os.getpid()}"), HASH.search(file.name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(address, timeout=20) as found, sibling.open("wb") as out:
            shutil.copyfileobj(found, out)
        if digits and not _sha256(sibling).startswith(digits[1]):
            raise OSError(f"what came has another hash, {_sha256(sibling)[:8]}")
        os.replace(sibling, file)
    except (OSError, HTTPException) as error:
        raise ValueError(
            f"network.weights: {address} cannot be fetched ({' '.join(str(error).split())}); "
            f'put the file at {file}, or give another, or "none" to start from scratch'
        ) from error
    finally:
        sibling.unlink(missing_ok=True)


def _sha256(file: Path) -> str:
    status = file.stat()
    return _digest(file, status.st_mtime_ns, status.st_size)


@lru_cache
def _digest(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
