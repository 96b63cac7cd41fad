from .advising import ADVISED, DEFAULT_BUDGET, advise_data

__all__ = [
    "ADVISED",
    "DEFAULT_BUDGET",
    "advise_data",
]
