"""Formulas that a page shows rendered (MathML, KaTeX, MathJax, pictures) become TeX again.

The text of a rendered formula is its characters in a row: a fraction of 3 and 4 would be read as 34. Such an element
becomes the TeX that it carries, or what its MathML says; if it has neither, `RowError` rejects the post.
"""

from __future__ import annotations

import re

from factory.sources.formulas import Formulas, unescape
from factory.sources.mathml import latex, name_of
from factory.sources.row_error import RowError
from factory.sources.tags import Element

_SIGNS = ("<math", ":math", "math/tex", "katex", "MathJax", "<mjx-", "<img", "<MATH", "<IMG")
_DELIMITED = re.compile(r"\$\$.+\$\$|\$[^$]+\$|\\\(.+\\\)|\\\[.+\\\]|\\begin\{(\w+\*?)\}.+\\end\{\1\}", re.S)
_DRAWN = {"katex-html", "MathJax", "MathJax_Preview", "MathJax_Display"}
_PICTURE = re.compile(r"(?:^|\s)(?:latex|tex|mwe-math-fallback-image-\w+)(?:\s|$)", re.I)


def occurs(text: str) -> bool:
    """Whether an HTML text may hold a rendered formula."""
    return any(sign in text for sign in _SIGNS)


def replace(root: Element, formulas: Formulas) -> None:
    """Put a token of `formulas` in the place of every rendered formula of a tree. Raises `RowError`."""
    scripts = [script for script in root.iter("script") if "math/tex" in script.get("type", "")]
    for element in list(root.iter("span", "div", "mjx-container")):
        _unrender(element, bool(scripts))
    for script in scripts:
        _put(script, unescape(script.text or ""), "mode=display" in script.get("type", ""), formulas)
    for image in list(root.iter("img")):
        _picture(image, formulas)
    for element in list(root.iter("{*}math", "math", "m:math", "mml:math")):
        _put(element, _tex(element), _is_display(element), formulas)


def _unrender(element: Element, has_scripts: bool) -> None:
    """Empty an element that only draws a formula; its MathML, if it has any, stays."""
    classes = set(element.get("class", "").split())
    if not classes & _DRAWN and element.tag != "mjx-container":
        return
    if element.getparent() is None:
        return  # inside of one that was emptied
    source = element.getparent() if "katex-html" in classes else element
    math = next((child for child in source.iter() if name_of(child) == "math"), None)
    preview = "MathJax_Preview" in classes
    if math is None and not has_scripts and not preview and any(map(str.strip, element.itertext())):
        raise RowError("unreadable_formula", "a rendered formula that carries neither TeX nor MathML")
    if preview and not has_scripts:
        return
    display = element.get("display") == "true" or "MathJax_Display" in classes
    element.clear(keep_tail=True)
    if math is not None and source is element and not has_scripts:
        math.tail = None
        if display:
            math.set("display", "block")
        element.append(math)


def _picture(image: Element, formulas: Formulas) -> None:
    """A picture of a formula says in its `alt` what it shows."""
    alt = (image.get("alt") or "").strip()
    is_formula = bool(_PICTURE.search(image.get("class", ""))) or "latex.codecogs" in image.get("src", "")
    parent = image.getparent()
    if "mwe-math-fallback" in image.get("class", "") and any(name_of(other) == "math" for other in parent.iter()):
        image.clear(keep_tail=True)
        image.tag = "span"
    elif alt and _DELIMITED.fullmatch(alt):
        _token(image, alt, formulas)
    elif alt and is_formula:
        _put(image, alt, False, formulas)


def _tex(element: Element) -> str:
    for annotation in element.iter():
        if name_of(annotation) == "annotation" and "tex" in annotation.get("encoding", "").lower():
            return "".join(annotation.itertext()).strip()
    return element.get("alttext", "").strip() or latex(element)


def _is_display(element: Element) -> bool:
    if element.get("display") == "block" or element.get("mode") == "display":
        return True
    near = [element.get("class", "")]
    for ancestor in element.iterancestors():
        near.append(ancestor.get("class", ""))
        if len(near) > 4:
            break
    return any("katex-display" in classes or "mwe-math-element-block" in classes for classes in near)


def _put(element: Element, tex: str, display: bool, formulas: Formulas) -> None:
    """Tokens of a formula in TeX, with delimiters if it has none of its own."""
    tex = formulas.restore(tex).strip()
    if tex and not _DELIMITED.fullmatch(tex):
        tex = f"$${tex}$$" if display else f"${tex}$"
    _token(element, tex, formulas)


def _token(element: Element, formula: str, formulas: Formulas) -> None:
    element.clear(keep_tail=True)
    element.tag = "span"
    element.text = formulas.add(formula) if formula else ""
