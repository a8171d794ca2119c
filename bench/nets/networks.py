"""The networks that `network=` offers: a dataclass of settings each, which builds a MultiTask."""

from __future__ import annotations

from bench.nets.deeplab import DeepLab50, DeepLab101
from bench.nets.drn import DRN22, DRN38
from bench.nets.mit import MiTB0, MiTB1, MiTB2, MiTB3, MiTB4, MiTB5
from bench.nets.multitask import ResNet50, Small
from bench.nets.segnet import SegNet
from bench.problem import NetworkConfig

NETWORKS: dict[str, type[NetworkConfig]] = {
    "small": Small,
    "resnet50": ResNet50,
    "deeplab50": DeepLab50,
    "deeplab101": DeepLab101,
    "drn22": DRN22,
    "drn38": DRN38,
    "segnet": SegNet,
    "mit_b0": MiTB0,
    "mit_b1": MiTB1,
    "mit_b2": MiTB2,
    "mit_b3": MiTB3,
    "mit_b4": MiTB4,
    "mit_b5": MiTB5,
}
