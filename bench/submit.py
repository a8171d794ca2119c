"""Send a run to a leaderboard: python -m bench.submit RUN --to URL team=NAME extra_data=none [code=FILE|FOLDER] [..]

RUN is a folder, or the beginning of a key in store=DIR. The bundle holds its record, statistics, predictions (made
again where they were not kept) and the plug-in's files (code=, where the method is not the suite's); the server scores
the predictions itself and runs no code. The token is read from the environment, MTDA_TOKEN, or from token=FILE.

    [description=WORDS] [link=https://..] [citation=WORDS]       shown beside the result
    --dry-run                                                    write the bundle (out=FILE) and send nothing
    python -m bench.submit ID --to URL                           what became of a submission
    python -m bench.submit ID --to URL --hide                    off the board for now; --show, --withdraw
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench import bundle, plugins, record, words
from bench.bundle import CONFIG, STATS, About, Manifest
from bench.record import RECORD, RUN
from bench.score import PREDICTIONS

TOKEN = "MTDA_TOKEN"
ADDRESS = "/api/v1/submissions"
WISHES = {"--hide": ("/hidden", "PUT"), "--show": ("/hidden", "DELETE"), "--withdraw": ("", "DELETE")}
KNOWN = {"store": "store", "team": "", "extra_data": "", "description": "", "link": "", "citation": "", "code": "",
         "token": "", "out": "", "to": ""}  # fmt: skip


class Unsent(RuntimeError):
    """The server did not take it, or was not there; one line."""


class Here(urllib.request.HTTPRedirectHandler):
    """A token goes where it was meant to go: whoever points elsewhere is answered with an error."""

    def redirect_request(self, *words: Any) -> None:
        return None


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 not taken, 2 not understood."""
    plain = list(arguments)
    if "--to" in plain[:-1]:
        at = plain.index("--to")
        plain[at : at + 2] = [f"to={plain[at + 1]}"]
    bare, values = words.parse(plain, KNOWN, ("--dry-run", *WISHES))
    if len(bare) != 1:
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    try:
        if re.fullmatch(r"[0-9a-f]{32}", bare[0]) and values["to"] and not values["team"]:
            wish = next((one for one in WISHES if values[one]), "")
            path, method = WISHES.get(wish, ("", "GET"))
            return show(asked(values["to"], f"/{bare[0]}{path}", token(values["token"]), method=method))
        if any(values[one] for one in WISHES):
            raise ValueError(f"{bare[0]}: say the whole id of a submission, 32 hex digits, and --to URL")
        folder = record.find(Path(values["store"]), bare[0])
        return submit(folder, values)
    except (ValueError, OSError, Unsent, subprocess.CalledProcessError) as error:
        print(f"bench.submit: {error}", file=sys.stderr)
        return 1


def submit(folder: Path, values: dict[str, str]) -> int:
    """Make the bundle of a run and send it."""
    dry = bool(values["--dry-run"])
    if not dry and not values["to"]:
        raise ValueError("say where to send it: --to URL (or --dry-run)")
    secret = "" if dry else token(values["token"])
    with tempfile.TemporaryDirectory() as place:
        file = Path(values["out"] or Path(place) / "bundle.zip")
        manifest = make(folder, file, values)
        print(f"{file.stat().st_size / 1e6:.1f} MB, {len(manifest.files)} files, id {manifest.id}", flush=True)
        bundle.inspect(file)  # what the server will look at first
        return 0 if dry else show(send(values["to"], file, secret))


def make(folder: Path, out: Path, values: dict[str, str]) -> Manifest:
    """Write the bundle of a run. ValueError in one line if something is missing."""
    if not (folder / RECORD).exists():
        raise ValueError(f"{folder} has no {RECORD}: the run is not finished")
    run = record.read(folder / RECORD)
    if not run.standard:
        print("it is not the split as declared (and is rejected), or its data are not known (and is not ranked)")
    about = {name: values[name] for name in About.model_fields}
    if not about["extra_data"] or not values["team"]:
        raise ValueError("say team=NAME as in your token, and extra_data=none, or what was used beside the split's own")
    try:
        told = About.model_validate(about)
    except ValidationError as error:
        raise ValueError(bundle.said(error)) from None
    if not values["code"] and not plugins.is_ours(run.method):
        raise ValueError(f"{run.method} is a plug-in: add its source or wheel with code=FILE|FOLDER")
    code = dict(code_of(values["code"]))
    made = predicted(folder, run.key)
    try:
        files: dict[str, Path | bytes] = {RECORD: folder / RECORD}
        files |= {name: folder / name for name in (CONFIG, STATS) if (folder / name).exists()}
        files |= {**dict(predictions_of(folder)), **code}
        return bundle.pack(out, values["team"], told, files)
    except ValidationError as error:
        raise ValueError(f"team={values['team']}: {bundle.said(error)}") from None
    finally:
        if made:
            shutil.rmtree(folder / PREDICTIONS)


def predicted(folder: Path, key: str) -> bool:
    """Make the predictions if they were not kept; whether that was so."""
    if (folder / PREDICTIONS).is_dir():
        return False
    if not (folder / "product.pt").exists() or not (folder / RUN).exists():
        raise ValueError(f"{folder} has neither {PREDICTIONS}/ nor the network: run it again with keep=predictions")
    print("predictions were not kept: made again", flush=True)
    try:
        subprocess.run([sys.executable, "-m", "bench.predict", key, f"store={folder.parents[2]}"], check=True)
    except BaseException:  # half of them would be taken for all the next time
        shutil.rmtree(folder / PREDICTIONS, ignore_errors=True)
        raise
    return True


def predictions_of(folder: Path) -> Iterator[tuple[str, Path]]:
    return ((file.relative_to(folder).as_posix(), file) for file in sorted((folder / PREDICTIONS).rglob("*.*")))


def code_of(path: str) -> Iterator[tuple[str, Path]]:
    """A file, or those of a folder that a bundle may have, under code/."""
    if not path:
        return iter(())
    root = Path(path)
    if not root.exists():
        raise ValueError(f"code={path}: there is no such file or folder")
    files = [root] if root.is_file() else [one for one in sorted(root.rglob("*")) if one.is_file()]
    named = ((f"code/{file.relative_to(root if root.is_dir() else root.parent).as_posix()}", file) for file in files)
    found = [(name, file) for name, file in named if bundle.kind_of(name)]
    if not found:
        raise ValueError(f"code={path}: no .py, .whl, .toml, .txt or .md there")
    return iter(found)


def token(file: str) -> str:
    """Never a word of the command line: those can be seen by everybody on the machine."""
    words = Path(file).read_text().strip() if file else os.environ.get(TOKEN, "")
    if not words:
        raise ValueError(f"no token: put it into the environment, {TOKEN}=.., or into a file, token=FILE")
    return words


def send(url: str, file: Path, secret: str) -> dict[str, Any]:
    with file.open("rb") as body:
        length = str(file.stat().st_size)
        return asked(url, "", secret, body, {"Content-Length": length, "Content-Type": "application/zip"})


def asked(
    url: str, path: str, secret: str, body: Any = None, headers: dict[str, str] | None = None, method: str = ""
) -> dict[str, Any]:
    """The server's JSON. Unsent says what it said."""
    local = re.match(r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/|$)", url)
    if not url.startswith("https://") and not local:
        raise ValueError(f"{url}: a token goes over https:// only")
    headers = {"Authorization": f"Bearer {secret}", **(headers or {})}
    request = urllib.request.Request(url.rstrip("/") + ADDRESS + path, body, headers, method=method or None)
    try:
        with urllib.request.build_opener(Here).open(request, timeout=600) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        try:
            why = json.load(error)["error"]
        except (ValueError, LookupError, TypeError):
            why = error.reason
        raise Unsent(f"{url} says {error.code}: {why}") from None
    except (urllib.error.URLError, TimeoutError) as error:
        raise Unsent(f"{url} cannot be reached: {getattr(error, 'reason', error)}") from None


def show(case: dict[str, Any]) -> int:
    marks = ", in review" * case["in_review"] + ", hidden" * case["hidden"]
    print(f"{case['id']}: {case['state']}{marks} {case['why']}".rstrip())
    return 1 if case["state"] == "rejected" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
