"""A large adapted network taught to a small one that adapts too: DAKD's teacher, its plain student, its distillation.

Kothandaraman, Nambiar, Mittal, WACV workshops 2021. Notation: P1 the auxiliary, P2 the final output; q_S, q_T the
student's and the teacher's class probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.exact import cross_entropy
from bench.nets.deeplab import DeepLab50, DeepLab101
from bench.nets.drn import DRN22, DRN38
from bench.nets.mit import MiTB0, MiTB1, MiTB2, MiTB3, MiTB4, MiTB5
from bench.nets.multitask import Small
from bench.problem import VOID
from bench.tasks.contract import upsampled
from methods.parts.aligned import MultiLevel
from methods.parts.teacher import MODES, predicted

PARADIGMS = ("source", "target", "both", "sequential")  # the paper's (a), (b), (c), (d)
KL, DIRECTIONS, ON = ("paper", "as_released"), ("forward", "reverse"), ("logprob", "prob")
INIT = ("adapted", "initial")
SMALLER = {DRN38: DRN22, DeepLab101: DeepLab50, MiTB1: MiTB0} | dict.fromkeys((MiTB2, MiTB3, MiTB4, MiTB5), MiTB1)
BESIDE = 48  # the width of the Small student of a network that comes in one size


def student_network(problem, width=None, weights=None):
    """The next smaller network of the teacher's kind (the paper's: DRN-D-22 of DRN-D-38), or the teacher's, narrower.

    Three quarters of a width have 0.57 of its parameters (DRN: 0.61). Where there is neither, or a width is asked for
    beside a network that has none, a `Small` student from scratch stands beside the teacher.
    weights: its own; None: the published ones if its teacher starts from any.
    """
    network = problem.network
    smaller = SMALLER.get(type(network))
    if smaller and width is None:
        start = "none" if network.weights == "none" else smaller.weights
        return smaller(**vars(network) | {"weights": start if weights is None else weights})
    if weights not in (None, "none"):
        raise ValueError(f"the student starts from scratch, method.student_weights={weights} would not be read")
    if hasattr(network, "width"):
        return replace(network, width=width or max(1, 3 * network.width // 4))
    return Small(width=width or BESIDE, auxiliary_width=network.auxiliary_width)


def kl_divergence(student, teacher, direction="forward"):
    """KL(q_T || q_S) of raw scores, temperature 1: the sum over classes, the mean over pixels; reverse: KL(q_S || q_T).

    The released call averages over the classes as well: its weight counts C times less.
    """
    log_s, log_t = (raw.float().log_softmax(1) for raw in (student, teacher))
    log_p, log_q = (log_t, log_s) if direction == "forward" else (log_s, log_t)
    return (log_p.exp() * (log_p - log_q)).sum(1).mean()


def hard_alignment(student, teacher, on="logprob"):
    """The mean over all elements of the squared difference of log-probabilities, or of probabilities."""
    log_s, log_t = (raw.float().log_softmax(1) for raw in (student, teacher))
    a, b = (log_s, log_t) if on == "logprob" else (log_s.exp(), log_t.exp())
    return (a - b).square().mean()


def label_loss(student, teacher):
    """Cross entropy to the teacher's arg-max, at every pixel: no threshold and no void."""
    losses, _ = cross_entropy(student, teacher.argmax(1), VOID)
    return losses.mean()


class Teacher(MultiLevel):
    """Stage 1: the large network, adapted at two levels; 100k steps of 5 images, to the plain student's 200k of 3."""

    @dataclass(kw_only=True)
    class Config(MultiLevel.Config):
        share: float = 1.0


class Student(MultiLevel):
    """The small network."""

    @dataclass(kw_only=True)
    class Config(MultiLevel.Config):
        student_width: int | None = None  # None: a smaller network, or three quarters of the network's width, or 48
        student_weights: str | None = None  # a file, or "none"; None: the published one if the teacher has weights

        def network(self, problem):
            return student_network(problem, self.student_width, self.student_weights)

        def check(self, problem):
            super().check(problem)
            student, limit = self.network(problem), getattr(problem.network, "width", None)
            if limit is not None and student.width >= limit:
                raise ValueError(f"the student must be narrower than the teacher's network.width={limit}")
            try:
                student.weights_used()
            except ValueError as error:
                raise ValueError(str(error).replace("network.weights", "method.student_weights")) from error

    def network(self):
        return self.config.network(self.problem)


class PlainStudent(Student):
    """Stage 1': the small network, adapted without a teacher: the baseline; 200k steps of a schedule over 250k."""

    @dataclass(kw_only=True)
    class Config(Student.Config):
        horizon: float = 1.25


class Distillation(Student):
    """Stage 2, 50k steps: L_seg and L_adv of the student, and what the teacher says of source or target images.

    L_distill = [L_KL + L_MSE + L_pT]_s + lambda_target [L_KL + L_MSE + L_pT]_t; paradigm source has the first bracket,
    target the second, both has both. Stage 2', only if sequential: on from `both` with the second, 20k steps.
    """

    @dataclass(kw_only=True)
    class Config(Student.Config):
        teacher: Teacher.Config = field(default_factory=Teacher.Config)
        student: PlainStudent.Config = field(default_factory=PlainStudent.Config)
        paradigm: str = "sequential"
        share: float = 0.25
        finish: float = 0.1  # share of stage 2'
        finish_lr: float = 0.1  # its learning rates, times stage 2's
        kl: str = "paper"  # or "as_released": without the KL, which the released code leaves out by a slip
        kl_direction: str = "forward"  # KL(q_T || q_S); "reverse": KL(q_S || q_T)
        mse_on: str = "logprob"  # or "prob"
        student_init: str = "adapted"  # the plain student; "initial": as its network starts, as released
        lambda_kl: float = 0.1  # of the KL summed over classes; at the feature level times `auxiliary`
        lambda_mse: float = 0.01
        lambda_pt: float = 1.0  # of the cross entropy to the teacher's labels
        lambda_target: float = 1.0
        teacher_mode: str = "batch"  # its BatchNorm on each batch's statistics; "eval": on the stored ones

        def needs(self, problem):
            teacher = {"teacher": replace(self.teacher, heads=self.heads)}
            if self.paradigm == "sequential":
                return teacher | {"start": replace(self, paradigm="both")}
            if self.student_init == "initial":
                return teacher
            student = {"student_width": self.student_width, "student_weights": self.student_weights}
            return teacher | {"start": replace(self.student, heads=self.heads, **student)}

        def check(self, problem):
            super().check(problem)
            for what, known in (("paradigm", PARADIGMS), ("kl", KL), ("kl_direction", DIRECTIONS), ("mse_on", ON),
                                ("student_init", INIT), ("teacher_mode", MODES)):  # fmt: skip
                if getattr(self, what) not in known:
                    raise ValueError(f'no {what} "{getattr(self, what)}"; known: {" ".join(known)}')

        def steps(self, problem):
            share = self.finish if self.paradigm == "sequential" else self.share
            return max(1, round(share * problem.budget))

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.teacher = given["teacher"].build().net.requires_grad_(False)
        size, limit = (sum(p.numel() for p in net.parameters()) for net in (self.net, self.teacher))
        if size >= limit:
            raise ValueError(f"the student has {size} parameters, the teacher {limit}: lower method.student_width")

    def pace(self):
        return self.config.finish_lr if self.config.paradigm == "sequential" else 1.0

    def start(self, given):
        if "start" not in given:
            return super().start(given)
        before = given["start"].build()
        return before.net, before.discriminators

    def terms(self, on_source, on_target, source, target):
        terms = self.supervised(on_source, source.labels)
        if self.config.paradigm in ("source", "both"):
            taught = self.distilled(on_source, self.ask_teacher(source.image))
            terms |= {f"source_{name}": loss for name, loss in taught.items()}
        if self.config.paradigm != "source":
            taught = self.distilled(on_target, self.ask_teacher(target.image))
            terms |= {f"target_{name}": self.config.lambda_target * loss for name, loss in taught.items()}
        return terms

    def ask_teacher(self, image):
        """Both levels' outputs of the teacher, which stays as it is to its last buffer."""
        return predicted(self.teacher, image, self.config.teacher_mode)

    def distilled(self, student, teacher):
        """{loss: weighted value} of one domain: L_KL and L_pT of the final, L_KL and L_MSE of the auxiliary output."""
        config = self.config
        final, feature = (self.paired("semseg", level, student, teacher) for level in ("final", "auxiliary"))
        terms = {
            "mse": config.lambda_mse * hard_alignment(*feature, config.mse_on),
            "labels": config.lambda_pt * label_loss(*final),
        }
        if config.kl == "paper":
            output, low = (kl_divergence(*pair, config.kl_direction) for pair in (final, feature))
            terms["kl"] = config.lambda_kl * (output + config.auxiliary * low)
        return terms

    def paired(self, name, level, student, teacher):
        """Both raw outputs of a task, on the student's grid."""
        mine = student[level][name]
        return mine, upsampled(teacher[level][name], mine.shape[-2:])
