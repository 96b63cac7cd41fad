"""A finished run as a web service, and the page that people use it by.

The names load their modules when they are first used, so that limits are known without the extra `serve`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
