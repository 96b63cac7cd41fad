"""Fine-tune the last layers of pretrained image networks, and know which layers, at which rates, and why.

The public names are imported when they are first used: `import unfreeze` alone loads neither torch nor timm.

>>> import unfreeze as uf
>>> run = uf.train("photos/", model="resnet50", strategy="gradual", epochs=10)  # doctest: +SKIP
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
