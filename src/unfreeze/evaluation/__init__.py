"""Predictions, metrics with their intervals, and the evidence that a report shows.

The names load their modules when they are first used: only predicting needs torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
