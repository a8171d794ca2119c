"""DAKD's plain student: the small network adapted without a teacher; the row beside which dakd's gain is read.

Stage 1' of dakd alone (Kothandaraman et al., WACV-W 2021), trained once for both: a smaller network of the split's
kind, adapted by discriminators of its final and auxiliary outputs, for the full budget (200k steps of a schedule over
250k).

dakd's student goes on from here for 0.35 of the budget with its teacher; as long without one is dakd with
`method.lambda_kl=0 method.lambda_mse=0 method.lambda_pt=0`. `method.student_width=12` as in dakd; `method.heads=all` is
the plain student of dakd_mt; `method.student_weights=FILE` as in dakd. The unadapted student is source_only with the
student's network: `network.width=` of small, `network=drn22`.
"""

from methods.parts.compression import PlainStudent as Method

__all__ = ["Method"]
