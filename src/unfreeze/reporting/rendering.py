"""Pages from templates: what a report of a run and one of a comparison have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unfreeze.reporting.wording import count
from unfreeze.version import __version__

__all__ = ["house_style", "render"]

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Return a page: a template that extends page.html.j2, with its values escaped.

    Args:
        template: the file's name in templates/.
        **values: what it shows; among them `name`, the page's title, and `sections`, (anchor, title) of each.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["count"] = count
    style = house_style() + (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(style=style, version=__version__, **values)


def house_style() -> str:
    """Return the colours that all of unfreeze's pages have, for light and dark, as CSS custom properties of :root."""
    return (TEMPLATES / "house.css").read_text(encoding="utf-8")
