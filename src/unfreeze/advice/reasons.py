"""Why, in plain words: each reason with its numbers and the paper that it leans on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from unfreeze.advice.concluding import Conclusion
from unfreeze.advice.frozen_ways import ALL_DEPTHS
from unfreeze.advice.inquiry import Inquiry, Notebook
from unfreeze.advice_records import AdviceEvidence, DomainRecord, Facts, ProbeRecord, Reason, WayRecord, standing_of
from unfreeze.backbones import FEATURES
from unfreeze.metrics import HIGHER_IS_BETTER, PERCENTAGES, is_better
from unfreeze.records import Interval

__all__ = ["reasons_for"]

BREIMAN = 'Breiman et al. 1984, "Classification and regression trees"'
YOSINSKI = 'Yosinski et al. 2014, "How transferable are features in deep neural networks?"'
EVCI = 'Evci et al. 2022, "Head2Toe"'
KUMAR = 'Kumar et al. 2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution"'
TOUVRON = 'Touvron et al. 2019, "Fixing the train-test resolution discrepancy"'
LI = 'Li et al. 2016, "Revisiting batch normalization for practical domain adaptation"'
YOU = 'You et al. 2021, "LogME"; Kornblith et al. 2019, "Do better ImageNet models transfer better?"'
OJALA = 'Ojala and Garriga 2010, "Permutation tests for studying classifier performance"'

KORNBLITH = 'Kornblith et al. 2019, "Do better ImageNet models transfer better?"'
BONETT = 'Bonett and Price 2012, "Adjusted Wald confidence interval for a difference of binomial proportions"'

IMBALANCED = 5  # times
MOST_RIVALS = 4  # that are named
Evidence = dict[str, float | int | str | None]


def reasons_for(
    inquiry: Inquiry, notebook: Notebook, conclusion: Conclusion, evidence: AdviceEvidence
) -> Iterator[Reason]:
    """Yield the reasons of a conclusion, what decided first."""
    yield _choice(conclusion, inquiry.metric)
    yield _data(evidence.facts, inquiry)
    if conclusion.tried is None:
        return
    options = conclusion.way.options
    for probe in notebook.probes:
        if (probe.model, probe.size) == (options.model, conclusion.way.size):
            yield _depth(probe)
    yield from _size(conclusion, inquiry.metric)
    yield from _unfreezing(conclusion, inquiry.metric, epochs=inquiry.base.epochs)
    yield from (_domain(domain) for domain in notebook.domain if domain.model == options.model)
    if len(inquiry.models) > 1:
        yield _models(notebook, inquiry.metric)


def _choice(conclusion: Conclusion, metric: str) -> Reason:
    name, expected = conclusion.way.name, conclusion.expected
    if conclusion.tried is None:
        needed = conclusion.first_look
        enough = "the default is 5m" if needed is None else f"the first look needs about {math.ceil(needed)}s"
        return Reason(
            text="Nothing could be measured within the budget. This is what train does untold, a cheap way that "
            f"usually works, and no finding about these pictures: give a larger --budget; {enough}.",
            evidence={},
            reference=KORNBLITH,
        )
    evidence: Evidence = {
        metric: expected.value, "low": expected.low, "high": expected.high, "n_images": expected.n_images
    }  # fmt: skip
    if conclusion.learned is None:
        return Reason(
            text=f"{expected.n_images} pictures judge, so few that even right answers for all of them could be luck: "
            f"nothing can be told, and the cheapest way is taken: {name}. Collect more pictures.",
            evidence=evidence,
            reference=OJALA,
        )
    if not conclusion.learned:
        return Reason(
            text="Nothing that was tried predicts these labels better than chance does, so no way can be told from "
            f"another, and the cheapest is taken: {name}. Look at the labels, or collect more pictures, first.",
            evidence=evidence,
            reference=OJALA,
        )
    standing = standing_of(conclusion.tried.record, conclusion.ways)
    if conclusion.rivals:
        text = (
            f"{name} is {standing}, but beyond 95% these pictures cannot tell it from {_listed(conclusion.rivals)}. "
            "Take it as a beginning, not as a finding."
        )
    elif not conclusion.can_tell:
        text = f"{name} is {standing}, and nothing of another kind was tried. Take it as a beginning, not as a finding."
    elif not conclusion.tried.record.frozen:
        text = f"{name} is {standing}, and no head on frozen features is as good."
    elif any(way.status == "done" and not way.frozen for way in conclusion.ways):
        text = f"{name} is {standing}, and no training that was tried is better by more than one standard error."
    else:
        text = f"{name} is {standing}."
    return Reason(text=text, evidence=evidence, reference=BREIMAN)


def _listed(names: Sequence[str]) -> str:
    shown = names[:MOST_RIVALS]
    if more := len(names) - len(shown):
        return f"{', '.join(shown)} and {more} more"
    return " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _data(facts: Facts, inquiry: Inquiry) -> Reason:
    one, several = {
        "classification": ("class", "classes"), "multilabel": ("label", "labels"), "regression": ("target", "targets")
    }[inquiry.data.dataset.task]  # fmt: skip
    kind = one if facts.n_classes == 1 else several
    text = f"{facts.n_train} pictures train, {facts.n_val} validate, {facts.n_classes} {kind}."
    if facts.smallest is not None:
        text += f" The rarest has {facts.smallest} training pictures"
        unequal = facts.imbalance is not None and facts.imbalance >= IMBALANCED
        text += f", the most frequent {facts.imbalance:.0f} times as many (see --balance)." if unequal else "."
    if facts.tellable is not None:
        n = facts.n_judging_trainings
        looked_at = f"The {n} of them that are looked at" if n < facts.n_val else f"{n} pictures"
        text += (
            f" {looked_at} cannot part two good networks that differ by less than about "
            f"{100 * facts.tellable:.0f} points"
        )
        judged = facts.n_judging > n
        text += f", so heads on frozen features are judged out of fold, on {facts.n_judging}." if judged else "."
    evidence: Evidence = {
        "n_train": facts.n_train, "n_val": facts.n_val, "n_judging": facts.n_judging,
        "n_judging_trainings": facts.n_judging_trainings,
        "smallest": facts.smallest, "imbalance": facts.imbalance, "tellable": facts.tellable,
    }  # fmt: skip
    return Reason(text=text, evidence=evidence, reference=None if facts.tellable is None else BONETT)


def _depth(probe: ProbeRecord) -> Reason:
    by_name = {depth.depth: depth for depth in probe.depths}
    features, joined, best = by_name[FEATURES], by_name[ALL_DEPTHS], by_name[probe.best_depth]
    if best is features:
        where = (
            ", and no single stage does better beyond noise: what was pretrained serves these pictures up to the top"
        )
    else:
        where = f", on {best.depth} alone {_value(best.linear)}: the best single depth lies below the top"
    gained = joined.gain is not None and joined.gain_error is not None and joined.gain > joined.gain_error
    more = "a gain beyond noise" if gained else "no gain beyond noise"
    return Reason(
        text=f"At {probe.size} px a linear head on the final features reaches {_value(features.linear)}{where}. "
        f"All depths together reach {_value(joined.linear)}, {more}.",
        evidence={depth.depth: depth.linear.value for depth in probe.depths},
        reference=f"{YOSINSKI}; {EVCI}",
    )


def _size(conclusion: Conclusion, metric: str) -> Iterator[Reason]:
    best: dict[int, WayRecord] = {}
    for way in conclusion.ways:
        if way.model == conclusion.way.options.model and way.folds is not None:
            held = best.get(way.size)
            if held is None or _better(metric, way.folds, held.folds):
                best[way.size] = way
    if len(best) < 2:  # noqa: PLR2004 - nothing to compare
        return
    sizes = sorted(best)
    listed = " and ".join(f"{_value(best[size].folds)} at {size} px ({best[size].name})" for size in sizes)
    text = (
        f"By input size the best heads on frozen features reach {listed}. The larger costs "
        f"{(sizes[-1] / sizes[0]) ** 2:.1f} times as much, in training and in every prediction."
    )
    if conclusion.way.size > sizes[0] and best[sizes[0]].verdict in {"best", "tied"}:
        text += f" They cannot be told apart beyond 95%: where predictions must be fast, take --size {sizes[0]}."
    yield Reason(
        text=text,
        evidence={f"{size} px": _known(best[size].folds) for size in sizes},
        reference=TOUVRON,
    )


def _unfreezing(conclusion: Conclusion, metric: str, *, epochs: int) -> Iterator[Reason]:
    trained = [way for way in conclusion.ways if not way.frozen and way.gain is not None]
    left_out = _left_out(conclusion.ways)
    if not trained or conclusion.frozen is None:
        if left_out:
            yield Reason(text=f"Nothing was trained for real to its end.{left_out}", evidence={})
        return
    best = max(trained, key=lambda way: way.gain or 0.0)
    assert best.gain is not None
    assert best.gain_error is not None
    noise = _amount(metric, best.gain_error)
    reading = "more than noise" if best.gain > best.gain_error else "no gain beyond noise, and not worth its cost"
    direction = "better" if best.gain >= 0 else "worse"
    short = f" It had {best.epochs} of {epochs} epochs, so that more may be in it." if best.epochs < epochs else ""
    yield Reason(
        text=f"Of the trainings that were tried, {best.name} ({_epochs(best.epochs)} at {best.size} px) did best: "
        f"on validation {_amount(metric, abs(best.gain))} {direction} than {conclusion.frozen.way.name}, "
        f"with a standard error of {noise}. That is {reading}.{short}{left_out}",
        evidence={
            **{f"gain of {way.name}, {way.epochs} epochs": way.gain for way in trained},
            "standard error": best.gain_error,
        },
        reference=KUMAR,
    )


def _left_out(ways: Sequence[WayRecord]) -> str:
    """Return which trainings came to nothing, and which came to an end only with fewer epochs."""
    done = {(way.name, way.model, way.size) for way in ways if way.status == "done"}
    without, shorter = list[str](), dict[int, list[str]]()
    for way in ways:
        if way.status == "done":
            continue
        if (way.name, way.model, way.size) in done:
            shorter.setdefault(way.epochs, []).append(f"{way.name} ({way.why})")
        else:
            without.append(f"{way.name} for {_epochs(way.epochs)} at {way.size} px ({way.why})")
    text = f" Without a result: {', '.join(without)}." if without else ""
    for n_epochs, names in shorter.items():
        text += f" Not trained for all {_epochs(n_epochs)}: {', '.join(names)}."
    return text


def _epochs(n: int) -> str:
    return "1 epoch" if n == 1 else f"{n} epochs"


def _domain(domain: DomainRecord) -> Reason:
    if domain.shift is None or domain.variance_ratio is None:
        text = f"How like the pretraining pictures of {domain.model} these are is not known: {domain.reason}."
        return Reason(text=text, evidence={})
    measured = (
        f"at the BatchNorm layers of {domain.model} a channel's mean lies {domain.shift:.2f} stored standard "
        f"deviations from the stored mean, and its variance is {domain.variance_ratio:.2f} times the stored one"
    )
    text = (
        f"How far these are from its pretraining pictures: {measured}. What is near was not measured for this network "
        "and size."
        if domain.words is None
        else f"These pictures are {domain.words} the pretraining pictures: {measured}."
    )
    return Reason(
        text=f"{text} A small shift is no proof that the features suit, which the curve by depth tells.",
        evidence={"shift": domain.shift, "variance_ratio": domain.variance_ratio, **domain.stages},
        reference=LI,
    )


def _models(notebook: Notebook, metric: str) -> Reason:
    best: dict[str, ProbeRecord] = {}
    for probe in notebook.probes:
        held = best.get(probe.model)
        if held is None or _better(metric, probe.depths[-1].linear, held.depths[-1].linear):
            best[probe.model] = probe
    sign = -1.0 if HIGHER_IS_BETTER[metric] else 1.0

    def place(probe: ProbeRecord) -> float:
        value = _known(probe.depths[-1].linear)
        return math.inf if value is None else sign * value

    ranked = sorted(best.values(), key=place)
    listed = "; ".join(
        f"{probe.model} {_value(probe.depths[-1].linear)} at {probe.size} px"
        + ("" if probe.log_me is None else f" (LogME {probe.log_me:.3f})")
        for probe in ranked
    )
    return Reason(
        text=f"The networks by a linear head on all depths: {listed}.",
        evidence={probe.model: _known(probe.depths[-1].linear) for probe in ranked},
        reference=YOU,
    )


def _better(metric: str, one: Interval, other: Interval | None) -> bool:
    return one.value is not None and is_better(metric, one.value, _known(other))


def _known(found: Interval | None) -> float | None:
    return None if found is None else found.value


def _value(found: Interval | None) -> str:
    value = _known(found)
    return "no figure" if value is None else f"{value:.3f}"


def _amount(metric: str, value: float) -> str:
    """Return a difference as people say it: points of a percentage, else in the metric's unit."""
    return f"{100 * value:.1f} points" if metric in PERCENTAGES else f"{value:.3g}"
