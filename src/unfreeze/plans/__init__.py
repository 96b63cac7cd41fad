"""Plans: which layers train when, at which rates, as values that TOML files hold. No torch."""

from unfreeze.plans import strategies
from unfreeze.plans.phase import NormMode, Phase, PhaseOptions, PlanSettings, Schedule, Solver
from unfreeze.plans.plan import ParamGroup, Plan, PlanState, Position
from unfreeze.plans.schedules import rate_share
from unfreeze.plans.strategies import STRATEGIES, make_plan
from unfreeze.plans.strategy import Strategy
from unfreeze.plans.summary import PhaseSummary, summarise
from unfreeze.plans.toml import read_settings

__all__ = [
    "STRATEGIES",
    "NormMode",
    "ParamGroup",
    "Phase",
    "PhaseOptions",
    "PhaseSummary",
    "Plan",
    "PlanSettings",
    "PlanState",
    "Position",
    "Schedule",
    "Solver",
    "Strategy",
    "make_plan",
    "rate_share",
    "read_settings",
    "strategies",
    "summarise",
]
