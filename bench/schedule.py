"""Learning-rate schedules: functions of the step, as factors of the base rate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Linear warm-up over `warmup` steps, then (1 - t / steps) ** power; power 0 is constant."""

    power: float = 0.0
    warmup: int = 0

    def factor(self, t: int, steps: int) -> float:
        rise = min(1.0, (t + 1) / self.warmup) if self.warmup else 1.0
        fall = max(0.0, 1.0 - t / max(1, steps)) ** self.power if self.power else 1.0
        return rise * fall
