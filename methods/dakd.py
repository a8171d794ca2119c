"""DAKD: an adapted teacher distilled into a smaller student that adapts too (Kothandaraman et al., WACV-W 2021).

Kothandaraman, Nambiar, Mittal: "Domain Adaptive Knowledge Distillation for Driving Scene Semantic Segmentation", arXiv
2011.08007; code: divyakraman/Domain-Adaptive-Knowledge-Distillation-for-Driving-Scene-Semantic-Segmentation.

1. teacher: the split's network, adapted by discriminators of its final and auxiliary outputs (AdaptSegNet).
1'. plain student: a smaller network, the same way: the row beside which it is read (dakd_plain_student).
2. distillation, 50k: L_seg and L_adv of 1', and KL and labels from the teacher's final, KL and MSE from its auxiliary
   output (parts/compression.py); `method.paradigm=source`, `target` or `both` images, the paper's (a), (b), (c).
2'. `method.paradigm=sequential`, (d), default: from `both` on, distilled on target images alone, 20k steps.

Only the student predicts. 1, 1, 0.25, 0.1 of the budget; the paper's steps are 100k of 5 images, 200k of 3, 50k of 2.
A teacher of half the budget is worse than its student on source validation (docs/results/dakd.md). Settings:
`method.kl=as_released` no KL term, which the released call of KLDivLoss makes 0 (then MSE and labels teach);
`method.kl_direction=reverse`; `method.mse_on=prob`; `method.student_init=initial` not from the plain student;
`method.student_width=12` the student's (default: three quarters of the network's).

`method.weighting=pcgrad` and its like weigh the student's tasks in 2 and 2' (parts/weighting.py), all distillation and
L_adv with segmentation; the teacher's and the plain student's: `method.teacher.weighting`, `method.student.weighting`.

The paradigms, and the student trained on for as long without its teacher:
    python -m bench.run --multirun method=dakd split=minicity seed=0,1,2 method.paradigm=source,target,both,sequential
    python -m bench.run method=dakd split=minicity seed=0 method.lambda_kl=0 method.lambda_mse=0 method.lambda_pt=0

Students: drn22 of `network=drn38`, as in the paper; deeplab50 of deeplab101; mit_b1 of mit_b2 to mit_b5, mit_b0 of
mit_b1; a narrower one of small; of the others, and wherever `method.student_width` is given, a small one from scratch.
`method.student_weights=FILE` or `none`; default: the published file if the teacher starts from one, else none. What a
student that is not the run's network started from is in the record, under `network.predicts`.

Differs: a true KL, a sum over classes, where the release means over them too (19 times less); the teacher's BatchNorm
is on each batch's statistics, like theirs, but does not drift (`method.teacher_mode=eval`: on the stored ones, which
are those of source and target in turn, so neither's); one normalisation of images in training and prediction; all four
paradigms, of which the release scripts (c); the last step is scored, never the best.
Differs: the suite's Adam and network rate (SGD 2.5e-4), discriminators at 0.4 of it, as 1e-4 is; 2' at a tenth, our
choice as is its length; the pair is the split's network and its smaller one, the paper's only with `network=drn38`;
"feature level" is a 1x1 head on the encoder's low features; the teacher is read on the student's output grid; the
discriminators go on from stage to stage with their student. Depth and normals learn from source labels alone (for more
see dakd_mt).
"""

from methods.parts.compression import Distillation as Method

__all__ = ["Method"]
