"""Pretrained networks in: any timm network by name, bundled weights, files; their layers; heads.

The names are imported when they are first used, because torch and timm take seconds to load.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
