"""Engines: what computes the frozen prefix of a network over many pictures, checked against PyTorch before use.

The names are imported when they are first used, because torch takes seconds to load; OpenVINO only with its engine.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
