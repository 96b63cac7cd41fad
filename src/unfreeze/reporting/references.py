"""The papers and programs that the methods of a run refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unfreeze.reporting.calibration import calibration_references

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from unfreeze.reporting.contents import Contents

__all__ = ["references"]

REFERENCES = {
    "timm": "Wightman, R. PyTorch Image Models. 2019. doi:10.5281/zenodo.4414861",
    "ulmfit": "Howard, J., Ruder, S. Universal language model fine-tuning for text classification. ACL 2018.",
    "head2toe": "Evci, U. et al. Head2Toe: utilizing intermediate representations for better transfer learning. "
    "ICML 2022.",
    "lp-ft": "Kumar, A. et al. Fine-tuning can distort pretrained features and underperform out-of-distribution. "
    "ICLR 2022.",
    "decay": "Clark, K. et al. ELECTRA: pre-training text encoders as discriminators rather than generators. "
    "ICLR 2020 (layer-wise decay of the learning rate).",
    "norm": "Frankle, J. et al. Training BatchNorm and only BatchNorm. ICLR 2021.",
    "adamw": "Loshchilov, I., Hutter, F. Decoupled weight decay regularization. ICLR 2019.",
    "group-lasso": "Yuan, M., Lin, Y. Model selection and estimation in regression with grouped variables. "
    "J. R. Stat. Soc. B 68, 2006.",
    "lbfgs": "Zhu, C. et al. Algorithm 778: L-BFGS-B: Fortran subroutines for large-scale bound-constrained "
    "optimization. ACM Trans. Math. Softw. 23, 1997.",
    "one-cycle": "Smith, L. N., Topin, N. Super-convergence: very fast training of neural networks using large "
    "learning rates. 2018.",
    "range-test": "Smith, L. N. Cyclical learning rates for training neural networks. WACV 2017.",
    "wilson": "Wilson, E. B. Probable inference, the law of succession, and statistical inference. "
    "J. Am. Stat. Assoc. 22, 1927.",
    "mover": "Zou, G. Y., Donner, A. Construction of confidence limits about effect measures. Stat. Med. 27, 2008.",
    "newcombe": "Newcombe, R. G. Confidence intervals for an effect size measure based on the Mann-Whitney "
    "statistic, part 2. Stat. Med. 25, 2006.",
    "bootstrap-t": "Hall, P. Theoretical comparison of bootstrap confidence intervals. Ann. Stat. 16, 1988.",
    "lac": "Sadinle, M., Lei, J., Wasserman, L. Least ambiguous set-valued classifiers with bounded error levels. "
    "J. Am. Stat. Assoc. 114, 2019.",
    "conformal": "Lei, J. et al. Distribution-free predictive inference for regression. J. Am. Stat. Assoc. 113, 2018.",
    "conformal-groups": "Lee, Y., Barber, R. F., Willett, R. Distribution-free inference with hierarchical data. "
    "arXiv:2306.06342, 2023.",
    "ece": "Guo, C. et al. On calibration of modern neural networks. ICML 2017.",
}
OF_STRATEGY = {
    "gradual": "ulmfit",
    "gradual-layerwise": "ulmfit",
    "layerwise": "decay",
    "lp-ft": "lp-ft",
    "norm-only": "norm",
}


def references(contents: Contents, plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the methods of a run refer to, one sentence each.

    Args:
        contents: the run's.
        plan: its plan.toml, as far as there is one.
    """
    return tuple(REFERENCES[key] for key in _keys(contents, plan))


def _keys(contents: Contents, plan: Mapping[str, Any]) -> Iterator[str]:
    config = contents.record.config
    yield "timm"
    if config.plan is None and config.strategy in OF_STRATEGY:
        yield OF_STRATEGY[config.strategy]
    if contents.model is not None and contents.model.features == "stages":
        yield "head2toe"
    phases = plan.get("phase", [])
    solvers = {phase.get("solver", "adamw") for phase in phases} or {"adamw"}
    yield from (solver for solver in ("adamw", "lbfgs") if solver in solvers)
    if any(phase.selection is not None for phase in contents.record.phases):
        yield "group-lasso"
    if contents.record.range_test is not None:
        yield "range-test"
    if any(phase.get("schedule") == "one-cycle" for phase in phases):
        yield "one-cycle"
    of_task = {
        "classification": ("wilson", "mover", "newcombe", "bootstrap-t", "ece"),
        "multilabel": ("mover",),
        "regression": ("bootstrap-t",),
    }[contents.task]
    yield from dict.fromkeys((*of_task, *calibration_references(contents)))
