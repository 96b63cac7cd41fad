"""What a finished run's network says of pictures: one by one, in batches, or as tables of any length.

The names load their modules when they are first used, so that tables are read and checked without torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
