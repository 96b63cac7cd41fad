"""An advice from a path to advice.json and plan.toml: measured on the user's pictures, within a budget of time."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from unfreeze.advice.concluding import Conclusion, conclude, facts_of
from unfreeze.advice.inquiry import Inquiry, Notebook
from unfreeze.advice.measuring import measure
from unfreeze.advice.reasons import reasons_for
from unfreeze.advice.sampling import draw_pictures
from unfreeze.advice_records import ADVICE_FILE, PLAN_FILE, AdviceEvidence, AdviceRecord
from unfreeze.backbones import input_spec
from unfreeze.cache import ActivationCache
from unfreeze.command_words import flag, flag_words
from unfreeze.errors import InterruptedRunError, UnfreezeError, raise_together
from unfreeze.metrics import HIGHER_IS_BETTER, check_metric
from unfreeze.options import check_options, option_problems, seed_of_data
from unfreeze.records import RunRecord, TrainOptions, write_json, write_text
from unfreeze.training.directory import environment, next_directory, now, out_problem, read_run
from unfreeze.training.inputs import StudiedData, open_data, study_data
from unfreeze.training.interrupts import Interrupt
from unfreeze.training.progress import Progress
from unfreeze.training.settings import architecture_of, settled

__all__ = ["ADVISED", "DEFAULT_BUDGET", "advise_data"]

DEFAULT_BUDGET = 300.0  # seconds
# What an advice finds out, and what a user can therefore not tell it.
FOUND_OUT = ("strategy", "plan", "lr", "solver", "hidden", "features", "views", "augment")
ADVISED = frozenset({*FOUND_OUT, "model", "size", "epochs", "patience"})  # what the plan file says
MOST_TRAIN, MOST_VAL = 4000, 1500  # pictures that are looked at


def advise_data(
    path: Path,
    base: TrainOptions,
    *,
    models: Sequence[str] = (),
    given: frozenset[str] = frozenset(),
    budget_seconds: float = DEFAULT_BUDGET,
    out: Path | None = None,
    progress: Progress,
) -> Path:
    """Measure what suits the pictures, and write down what to do; return the directory.

    No test picture is looked at. The budget begins once the pictures have been read.

    Args:
        path: a folder of class folders, or a table.
        base: the settings that the training will have.
        models: the networks to choose from; empty: the one of the settings.
        given: the names of the settings that the user gave.
        budget_seconds: when to stop measuring.
        out: the directory; None: the next free one below runs/.
        progress: who is told.

    Raises:
        InterruptedRunError: Ctrl-C or SIGTERM; what was known then is written.
        UnfreezeError: settings, data or a network are wrong; nothing has been written then.
    """
    began = time.monotonic()
    networks = tuple(models) or (base.model,)
    raise_together(list(_problems(path, base, models, given=given, out=out)))
    dataset = open_data(path, base)
    check_options(msgspec.structs.replace(base, task=dataset.task))
    metric = check_metric(base.metric, dataset.task)
    first = msgspec.structs.replace(base, model=networks[0])
    data = study_data(path, dataset, base, progress, spec=input_spec(architecture_of(first), size=base.size))
    data.target_scale()  # constant targets are an error
    runs = {name: run for name in networks if (run := _run_of(name)) is not None}
    raise_together([
        f'"{name}" has learned from these pictures, so that heads on its vectors would be judged on what it has seen. '
        "Leave it out; unfreeze evaluate shows what it reaches on its own test pictures."
        for name, run in runs.items()
        if _learned_from(run, path, data)
    ])  # fmt: skip
    for note in data.notes:
        progress.note(note)
    inquiry = Inquiry(
        data=_looked_at(data, seed=seed_of_data(base)),
        split=data.split,
        base=base,
        given=given,
        models=networks,
        metric=metric,
        cache=ActivationCache(base.cache_dir) if base.cache else None,
        deadline=time.monotonic() + budget_seconds,
    )
    notebook = Notebook(notes=[
        f'"{name}" was trained on {run.data.path}: if pictures of those are among these, it seems better than it is.'
        for name, run in runs.items()
    ])  # fmt: skip
    interrupted = _measured(inquiry, notebook, progress)
    out = out or next_directory(path, "advice")
    conclusion = conclude(inquiry, notebook)
    record = _record(
        inquiry, notebook, conclusion, path=path, out=out, data=data, budget=budget_seconds,
        seconds=time.monotonic() - began, interrupted=interrupted,
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / PLAN_FILE, conclusion.way.plan.to_toml())
    write_json(out / ADVICE_FILE, record)
    if interrupted:
        raise InterruptedRunError(
            f'Interrupted; what was known by then is in "{out / ADVICE_FILE}". '
            "Begin anew to go on: what was computed is in the cache."
        )
    return out


def _measured(inquiry: Inquiry, notebook: Notebook, progress: Progress) -> bool:
    """Measure; return whether the user put an end to it."""
    try:
        with Interrupt(deadline=inquiry.deadline) as interrupt:
            measure(inquiry, notebook, interrupt, progress)
    except InterruptedRunError:
        return inquiry.seconds_left > 0
    except KeyboardInterrupt:
        return True
    return False


def _problems(
    path: Path, base: TrainOptions, models: Sequence[str], *, given: frozenset[str], out: Path | None
) -> Iterator[str]:
    """Yield everything that is wrong before pictures are read."""
    for name in FOUND_OUT:
        if name in given:
            yield f"{flag(name)} contradicts advise, which finds it out. Leave it out, or use compare."
    if base.select_features is not None:
        yield "--select-features contradicts advise, whose heads read all features. Leave it out, or use compare."
    if base.balance == "sampling":
        yield "--balance sampling contradicts advise, whose heads see every picture once. Use --balance weights."
    if base.precision == "bf16":
        yield "--precision bf16 contradicts advise, whose heads are fitted in full precision. Leave it out."
    plain = msgspec.structs.replace(
        base, **{name: getattr(TrainOptions(), name) for name in (*FOUND_OUT, "select_features")}
    )
    wrong = option_problems(plain, given=given - set(FOUND_OUT))
    yield from wrong
    if not path.exists():
        yield f'"{path}" does not exist; give a folder of class folders, or a table.'
    yield from _problems_of_models(plain, models, given=given, look_closer=not wrong)
    if out is not None and (out / ADVICE_FILE).is_file():
        yield f'--out "{out}" holds another advice; name another directory.'
    elif out is not None and (problem := out_problem(out)):
        yield problem


def _problems_of_models(
    base: TrainOptions, models: Sequence[str], *, given: frozenset[str], look_closer: bool
) -> Iterator[str]:
    if models and "model" in given:
        yield "--model contradicts --models; name all in --models."
    if base.weights is not None and len(models) > 1:
        yield "--weights fits one network, but --models names several; leave one of them out."
    if twice := sorted({name for name in models if models.count(name) > 1}):
        yield f"--models names {', '.join(twice)} more than once."
    found: dict[str, None] = {}  # each once: what is wrong with the settings is so for every network
    for name in tuple(models) or (base.model,):
        try:
            settled(msgspec.structs.replace(base, model=name), frozenset())
        except UnfreezeError as error:
            found[str(error)] = None
    if look_closer:
        yield from found


def _run_of(model: str) -> RunRecord | None:
    """Return the record of the run that a network is named by; None for a timm network."""
    return read_run(Path(model)) if (Path(model) / "run.json").is_file() else None


def _learned_from(run: RunRecord, path: Path, data: StudiedData) -> bool:
    """Say whether a run, or one that it went on from, has learned from these: the same place, or the same contents."""
    if run.data.fingerprint == data.fingerprint or Path(run.data.path).resolve() == path.resolve():
        return True
    before = _run_of(run.config.model)
    return before is not None and _learned_from(before, path, data)


def _looked_at(data: StudiedData, *, seed: int) -> StudiedData:
    """Return the pictures with a split of those that are looked at: none that tests, of many a part."""
    split, generator = data.split, np.random.default_rng(seed)
    train = draw_pictures(data.dataset, split.train, most=MOST_TRAIN, generator=generator)
    val = draw_pictures(data.dataset, split.val, most=MOST_VAL, generator=generator)
    return replace(data, split=replace(split, train=train, val=val, test=()), seconds=0.0)


def _record(
    inquiry: Inquiry,
    notebook: Notebook,
    conclusion: Conclusion,
    *,
    path: Path,
    out: Path,
    data: StudiedData,
    budget: float,
    seconds: float,
    interrupted: bool,
) -> AdviceRecord:
    evidence = AdviceEvidence(
        facts=facts_of(inquiry, notebook),
        probes=tuple(notebook.probes),
        domain=tuple(notebook.domain),
        ways=conclusion.ways,
        learned=conclusion.learned,
    )
    notes = list(notebook.notes)
    for side in ("train", "val"):
        n, n_looked_at = len(inquiry.split.sides[side]), len(inquiry.data.split.sides[side])
        if n_looked_at < n:
            kind = "training" if side == "train" else "validation"
            notes.append(f"Of {n} {kind} pictures {n_looked_at} were looked at.")
            if side == "train":
                notes.append("More pictures favour what unfreezes: with all of them it may gain more than it did here.")
    way, words = conclusion.way, flag_words(inquiry.base, given=inquiry.given, without=ADVISED)
    return AdviceRecord(
        status="interrupted" if interrupted else "done" if notebook.finished else "stopped",
        created=now(),
        data=data.record(),
        config=inquiry.base,
        given=tuple(sorted(inquiry.given)),
        task=data.dataset.task,
        metric=inquiry.metric,
        higher_is_better=HIGHER_IS_BETTER[inquiry.metric],
        budget_seconds=budget,
        seconds=round(seconds, 3),
        strategy=way.options.strategy,
        way=way.name,
        model=way.options.model,
        size=way.size,
        epochs=way.plan.epochs,
        can_tell=conclusion.can_tell,
        command=shlex.join(["unfreeze", "train", str(path), "--plan", str(out / PLAN_FILE), *words]),
        expected=conclusion.expected,
        reasons=tuple(reasons_for(inquiry, notebook, conclusion, evidence)),
        evidence=evidence,
        notes=(*notes, *data.notes),
        environment=environment(),
    )
