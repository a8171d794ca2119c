"""DACS: class-mixed self-training with a mean teacher (Tranheden, Olsson, Pinto, Svensson, WACV 2021).

"DACS: Domain Adaptation via Cross-domain Mixed Sampling", arXiv 2007.08702. One stage: half of the classes of each
source image are pasted on a target image, and the student learns them and the teacher's labels around them
(parts/selftraining.py). The student is evaluated.

As published it knows segmentation alone; depth and normals get source supervision only, DACS-MT (ours).
`method.consistency=all` (ours): the mixed images teach them as well. `method.threshold=0`: every pseudo label counts
fully; `method.threshold=2`: none does, only the pasted pixels teach. `method.weighting=pcgrad` and its like
(parts/weighting.py): a rule for the tasks, each with its source and its target term, here and in all heirs.

The teacher's BatchNorm is on the statistics of each target batch, as released. `method.teacher_mode=eval`: on the
stored ones, which are those of source and mixed images in turn, so nobody's (docs/results/minicity.md).

Differs: the suite's optimiser and network rate with poly 0.9 as in source_only, where the authors have SGD 2.5e-4 of an
ImageNet (COCO) ResNet-101, its head at ten times; each image has its own photometric numbers; the teacher sees images
before any change of light, and its buffers are the student's; void is never pasted.
"""

from methods.parts.selftraining import SelfTraining as Method

__all__ = ["Method"]
