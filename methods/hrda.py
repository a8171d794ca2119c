"""HRDA: context at half scale and details at full scale, fused by learnt attention (Hoyer, Dai, Van Gool, ECCV 2022).

"HRDA: Context-Aware High-Resolution Domain-Adaptive Semantic Segmentation", arXiv 2204.13132. One stage: daformer's
step on class scores (1 - a) y_c + a y_d. y_c is seen in the whole crop at half scale; y_d in a window of the crop at
full scale, by the same network; a, in [0, 1] for every class and place, is read off the context's features, and is 0
where no detail was looked at (parts/scales.py). A step draws one window for the source and one for the mixed images;
the teacher, and `predict`, slide the window over the whole image by half its size and average.

    loss of a label:  (1 - 0.1) CE(fused, label) + 0.1 CE(y_d, label in the window)

`method.detail=0`: no loss of the details' own. Depth and normals (HRDA-MT, ours) are read off the context alone, whose
scale is always the same: in a window, far looks like near, and the place in the image is lost as a cue.

Differs: window and context have sides of 32 ceil(crop / 64) pixels: half the crop where that is a multiple of 32 (of a
96-pixel crop 64, so the scale is 2/3); at test the context is the whole image, once; the attention's head is a 3x3 and
a 1x1 convolution; a view shows a rare class by four times daformer's pixels (min_crop_ratio 2.0), on any crop. The
feature distance is the context's, as the authors' at scale 0.5. The rest as daformer.
"""

from methods.parts.high_resolution import HighResolution as Method

__all__ = ["Method"]
