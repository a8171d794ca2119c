"""Source only: all tasks from the labelled source, no target image; the row every gain is measured from.

One stage. BatchNorm statistics come from source images alone.
"""

from methods.parts.supervised import Supervised as Method

__all__ = ["Method"]
