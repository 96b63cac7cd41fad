"""Which way to fine-tune, measured on the user's own pictures: probes at every depth, trainings, reasons.

The names load their modules when they are first used, so that only those who measure load torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
