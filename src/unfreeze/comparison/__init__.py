"""Strategies, models and seeds side by side: what can be told apart, and what to take.

The names load their modules when they are first used, so that only those who train load torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
