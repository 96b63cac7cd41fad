"""A finished run's network as one file that needs neither unfreeze nor timm: ONNX, OpenVINO, torch.export.

The names are imported when they are first used, because torch takes seconds to load.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
