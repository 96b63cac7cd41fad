"""Why, in plain words: each reason with its numbers and the paper that it leans on."""

from __future__ import annotations

from collections.abc import Iterator

from unfreeze.advice_records import AdviceEvidence, DepthRecord, Facts, ProbeRecord, Reason, WayRecord
from unfreeze.comparison.concluding import Conclusion
from unfreeze.comparison.frozen_ways import ALL_DEPTHS
from unfreeze.comparison.measuring import Inquiry, Notebook
from unfreeze.metrics import HIGHER_IS_BETTER
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

IMBALANCED = 5  # times


def reasons_for(inquiry: Inquiry, notebook: Notebook, conclusion: Conclusion, evidence: AdviceEvidence) -> Iterator[Reason]:
    """Yield the reasons of a conclusion, the ones that decide first."""
    metric = inquiry.metric
    yield _choice(conclusion, metric)
    yield _data(evidence.facts, inquiry)
    if conclusion.tried is None:
        return
    probe = _probe_of(conclusion, notebook)
    if probe is not None:
        yield _depth(probe, metric)
    yield from _size(conclusion, notebook, metric)
    yield from _unfreezing(conclusion, metric)
    yield from _domain(conclusion, notebook)
    if len(inquiry.models) > 1:
        yield _models(notebook, metric)


def _choice(conclusion: Conclusion, metric: str) -> Reason:
    name, expected = conclusion.way.name, conclusion.expected
    if conclusion.tried is None:
        return Reason(
            text=f"Nothing could be measured within the budget, so this is the cheapest way that usually works, {name}, "
            "and not a finding about these pictures. Give a larger --budget.",
            evidence={},
            reference='Kornblith et al. 2019, "Do better ImageNet models transfer better?"',
        )
    evidence: dict[str, float | int | str | None] = {
        metric: expected.value, "low": expected.low, "high": expected.high, "n_images": expected.n_images
    }  # fmt: skip
    if not conclusion.learned:
        return Reason(
            text="Nothing that was tried predicts the labels better than chance does, so the ways cannot be told apart, "
            f"and the cheapest is taken: {name}. Look at the labels, or collect more pictures, before training at all.",
            evidence=evidence,
            reference=OJALA,
        )
    near = [way for way in conclusion.ways if way.verdict in {"best", "tied"}]
    sure = "" if conclusion.can_tell else (
        f" These pictures cannot tell it from any other that was tried, {len(near)} in all: a cheap guess, not a finding."
    )  # fmt: skip
    return Reason(
        text=f"Of all ways that lie within one standard error of the best, {name} costs least.{sure}",
        evidence=evidence,
        reference=BREIMAN,
    )


def _data(facts: Facts, inquiry: Inquiry) -> Reason:
    kind = {"classification": "classes", "multilabel": "labels", "regression": "targets"}[inquiry.data.dataset.task]
    text = f"{facts.n_train} pictures train, {facts.n_val} validate, {facts.n_classes} {kind}."
    if facts.smallest is not None:
        rare = "class" if kind == "classes" else "label"
        text += f" The rarest {rare} has {facts.smallest} training pictures"
        unequal = facts.imbalance is not None and facts.imbalance >= IMBALANCED
        text += f", the most frequent {facts.imbalance:.0f} times as many (see --balance)." if unequal else "."
    if facts.tellable is not None:
        text += (
            f" {facts.n_val} pictures cannot part two good networks that differ by less than about "
            f"{100 * facts.tellable:.0f} points"
        )
        judged = facts.n_judging > facts.n_val
        text += f"; heads on vectors are judged out of fold on {facts.n_judging}." if judged else "."
    return Reason(
        text=text,
        evidence={
            "n_train": facts.n_train, "n_val": facts.n_val, "n_judging": facts.n_judging,
            "smallest": facts.smallest, "imbalance": facts.imbalance, "tellable": facts.tellable,
        },
        reference='Bonett and Price 2012, "Adjusted Wald confidence interval for a difference of proportions"',
    )  # fmt: skip


def _depth(probe: ProbeRecord, metric: str) -> Reason:
    by_name = {depth.depth: depth for depth in probe.depths}
    features, joined, best = by_name["features"], by_name[ALL_DEPTHS], by_name[probe.best_depth]
    text = f"A linear head on the final features reaches {_of(features)}"
    if best is not features:
        text += (f", on {best.depth} alone {_of(best)}: the best "
            "single depth lies below the top, as it does where pictures are unlike the pretraining ones")
    else:
        text += ", and no single stage below does better: the pretrained features serve these pictures up to the top"
    text += f". All depths together reach {_of(joined)}."
    return Reason(
        text=text,
        evidence={depth.depth: depth.linear.value for depth in probe.depths},
        reference=f"{YOSINSKI}; {EVCI}",
    )


def _size(conclusion: Conclusion, notebook: Notebook, metric: str) -> Iterator[Reason]:
    model = conclusion.way.options.model
    best: dict[int, WayRecord] = {}
    for way in conclusion.ways:
        if way.model == model and way.folds is not None and way.folds.value is not None:
            held = best.get(way.size)
            if held is None or held.folds is None or _better(metric, way.folds, held.folds):
                best[way.size] = way
    if len(best) < 2:  # noqa: PLR2004 - nothing to compare
        return
    listed = ", ".join(f"{_interval(way.folds)} at {size} px ({way.name})" for size, way in sorted(best.items()))
    ratio = (max(best) / min(best)) ** 2
    yield Reason(
        text=f"By input size, the best heads reach {listed}. The larger costs {ratio:.1f} times as much, in training and "
        f"in every prediction; {conclusion.way.size} px is recommended.",
        evidence={f"{size} px": way.folds and way.folds.value for size, way in sorted(best.items())},
        reference=TOUVRON,
    )


def _unfreezing(conclusion: Conclusion, metric: str) -> Iterator[Reason]:
    live = [way for way in conclusion.ways if not way.frozen and way.status == "done" and way.gain is not None]
    skipped = [way for way in conclusion.ways if way.status == "not tried"]
    if not live:
        if skipped:
            yield Reason(
                text=f"No unfreezing was tried to its end ({skipped[0].name}: {skipped[0].why}).", evidence={}, reference=None
            )
        return
    best = max(live, key=lambda way: way.gain or 0.0)
    assert best.gain is not None
    assert best.gain_error is not None
    beyond = best.gain > best.gain_error
    frozen = "" if conclusion.frozen is None else f" than {conclusion.frozen.way.name}"
    text = (
        f"Of what was trained for real, {best.name} ({_epochs(best.epochs)}) did best: "
        f"{_gain(metric, best.gain)}{frozen} on validation, with a standard error of {_plain(metric, best.gain_error)}. "
    )
    text += "That is more than noise." if beyond else "That is within the noise, and not worth its cost."
    if skipped:
        text += f" Not tried: {', '.join(f'{way.name} ({way.why})' for way in skipped)}."
    yield Reason(
        text=text,
        evidence={f"{way.name}, {way.epochs} epochs": way.gain for way in live} | {"standard error": best.gain_error},
        reference=KUMAR,
    )


def _domain(conclusion: Conclusion, notebook: Notebook) -> Iterator[Reason]:
    for domain in notebook.domain:
        if domain.model != conclusion.way.options.model:
            continue
        if domain.shift is None:
            yield Reason(text=f"How like the pretraining pictures these are is not known: {domain.reason}.", evidence={})
            return
        assert domain.variance_ratio is not None
        yield Reason(
            text=f"To {domain.model} these pictures are {domain.words} its pretraining pictures: in its BatchNorm layers "
            f"the mean of a channel lies {domain.shift:.2f} stored standard deviations from the stored mean, and its "
            f"variance is {domain.variance_ratio:.2f} times the stored one.",
            evidence={"shift": domain.shift, "variance_ratio": domain.variance_ratio, **domain.stages},
            reference=LI,
        )


def _models(notebook: Notebook, metric: str) -> Reason:
    best: dict[str, tuple[ProbeRecord, DepthRecord]] = {}
    for probe in notebook.probes:
        top = probe.depths[-1]
        if probe.model not in best or _better(metric, top.linear, best[probe.model][1].linear):
            best[probe.model] = (probe, top)
    sign = -1.0 if HIGHER_IS_BETTER[metric] else 1.0
    ranked = sorted(best.values(), key=lambda each: sign * (each[1].linear.value or 0.0))
    listed = "; ".join(
        f"{probe.model} {_of(top)} (LogME {probe.log_me:.3f}, at {probe.size} px)" for probe, top in ranked
    )
    return Reason(
        text=f"The networks by a linear head on all depths: {listed}.",
        evidence={probe.model: top.linear.value for probe, top in ranked},
        reference=YOU,
    )


def _probe_of(conclusion: Conclusion, notebook: Notebook) -> ProbeRecord | None:
    wanted = (conclusion.way.options.model, conclusion.way.size)
    return next((probe for probe in notebook.probes if (probe.model, probe.size) == wanted), None)


def _better(metric: str, one: Interval | None, other: Interval) -> bool:
    if one is None or one.value is None or other.value is None:
        return False
    return one.value > other.value if HIGHER_IS_BETTER[metric] else one.value < other.value


def _of(depth: DepthRecord) -> str:
    return "–" if depth.linear.value is None else f"{depth.linear.value:.3f}"


def _interval(found: Interval | None) -> str:
    return "–" if found is None or found.value is None else f"{found.value:.3f}"


def _epochs(n: int) -> str:
    return "1 epoch" if n == 1 else f"{n} epochs"


def _gain(metric: str, gain: float) -> str:
    better = f"{abs(100 * gain):.1f} points" if _in_points(metric) else f"{abs(gain):.3g} in {metric}"
    return f"{better} {'better' if gain >= 0 else 'worse'}"


def _plain(metric: str, value: float) -> str:
    return f"{100 * value:.1f} points" if _in_points(metric) else f"{value:.3g}"


def _in_points(metric: str) -> bool:
    return metric not in {"mae", "rmse", "log_loss", "r2"}
