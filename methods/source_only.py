"""Source only: all tasks from the labelled source, no target image; the row every gain is measured from.

One stage. BatchNorm statistics come from source images alone.

`method.weighting=WORD` is the axis of multi-task weighting (methods/parts/weighting.py says what each rule does):
equal, uncertainty, dwa, rlw, si, famo weigh the losses; pcgrad, cagrad, nash, mgda combine the shared encoder's
gradients and leave the decoders theirs. mgda is a negative control: it follows the smallest gradient.

    python -m bench.run --multirun method=source_only method.weighting=equal,pcgrad,famo split=minicity seed=0,1,2
"""

from methods.parts.supervised import Supervised as Method

__all__ = ["Method"]
