"""python -m slurm.resume [SWEEP] store=DIR [failed=yes] [slurm.word=..]: submit again what is missing.

What is done, queued or running is left alone; what failed by its own fault is tried again with failed=yes only.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from slurm import launch, settings
from slurm.submit import SubmitError
from slurm.words import opened


def main(words: Sequence[str]) -> int:
    rest, ours = settings.split_words(words)
    try:
        planned, values = opened(rest, __doc__, failed="")
        chosen = settings.read([*settings.split_words(planned.words)[1], *ours])
        return launch.go(planned, chosen, failed=bool(values["failed"]))
    except (ValueError, OSError) as error:
        print(f"slurm.resume: {error}", file=sys.stderr)
        return 2
    except SubmitError as error:
        print(f"slurm.resume: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
