"""Images and labels in: folders and tables, splits, decoding, views and batches.

The names load their modules when they are first used, so that only those who need torch load it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
