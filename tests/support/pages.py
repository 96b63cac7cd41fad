"""Reads a report as a browser does, strictly, so that tests can ask what it shows."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

__all__ = ["Outline", "charts", "label", "outline", "shown_text"]


def shown_text(text: str) -> str:
    bare = re.sub(r"<(style|svg).*?</\1>", " ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare)))


def charts(text: str) -> dict[str, str]:
    """The charts of a page by their titles."""
    found = re.findall(r'<figure class="plot">\s*<h3>(.*?)</h3>\s*(<svg.*?</svg>)', text, flags=re.DOTALL)
    return {html.unescape(title): drawing for title, drawing in found}


def label(drawing: str) -> str:
    found = re.search(r'aria-label="(.*?)"', drawing)
    assert found is not None
    return html.unescape(found.group(1))


class Outline(HTMLParser):
    """Reads a page strictly: elements must close in order, ids must be unique, and where links lead is kept."""

    VOID = frozenset({"meta", "img", "input", "br", "link"})
    SHAPES = frozenset({"rect", "line", "path", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute twice in <{tag}>"
        self.elements.append((tag, given))
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [
            value or "" for name, value in attrs if name in {"href", "src", "action", "srcset", "poster"}
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.SHAPES, f"<{tag}/>"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> crosses another element"


def outline(text: str) -> Outline:
    parser = Outline()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser
