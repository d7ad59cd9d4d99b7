"""HTML of mails and posts → plain text, in bounded time whatever the markup.

The parser's time grows with the square of the nesting, so only documents of usual depth go through
it; from others the tags are cut out (deploy/docs/channels.md).
"""

from __future__ import annotations

import re
from collections.abc import Set
from html import unescape

from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_CHARS = 262_144
MAX_DEPTH = 500

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})")
_ANY_TAG = re.compile(r"<(/?)([a-zA-Z!?/][^\s<>/]{0,15})[^<>]*>")
_UNSEEN = re.compile(r"<(script|style|head|title)\b", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\n\f\xa0]+")
_PADDING = re.compile(r"(?:[\u034f\u200b-\u200d\u2007\u2060\ufeff\xad][ \xa0]*){3,}")
_BLANK_LINES = re.compile(r"\n[ \n]*\n")
_HIDDEN = re.compile(
    r"display:none|visibility:hidden|mso-hide:all|(?:max-height|font-size|opacity):0(?:px|;|$)"
)
# Never nested by themselves: without an end tag, or closed by the next of their kind.
_FLAT = frozenset({
    "br", "img", "hr", "input", "meta", "link", "wbr", "col", "area", "base", "source", "p",
    "li", "dd", "dt", "option", "tr", "td", "th",
})  # fmt: skip
_BREAKING = frozenset({
    "p", "div", "li", "ul", "ol", "table", "tr", "h1", "h2", "h3", "h4", "h5", "h6",
    "blockquote", "pre", "hr", "section", "article", "header", "footer", "address", "dl",
    "dt", "dd", "form", "fieldset", "center", "main", "aside", "nav", "figure", "figcaption",
})  # fmt: skip
_PARAGRAPH = frozenset({
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol", "table",
})  # fmt: skip
_CELL = frozenset({"td", "th"})
_DROPPED = "script,style,head,title,template,svg,object,iframe,[hidden]"
_QUOTES = (
    ".gmail_quote,.gmail_attr,blockquote[type=cite],.yahoo_quoted,"
    ".moz-cite-prefix,.protonmail_quote,.tutanota_quote,.zmail_extra,.ms-outlook-mobile-reference,"
    "#OLK_SRC_BODY_SECTION"
)
_SIGNATURES = ".gmail_signature,.moz-signature,.protonmail_signature_block"
_QUOTE_STARTS = "#divRplyFwdMsg,#appendonsend,.OutlookMessageHeader"


def to_text(html: str, *, keep_quotes: bool = False) -> str:
    """Return the visible text of ``html``; blocks become lines, paragraphs are a blank line apart.

    Quoted history and signatures in the containers of known mail programs are left out, unless
    ``keep_quotes`` or nothing else is there. What lies beyond ``MAX_CHARS`` is not read.
    """
    html = html[:MAX_CHARS]
    if _too_deep(html):
        return _tidy(_without_tags(html))
    text = _tidy(_visible(html, keep_quotes=keep_quotes))
    if not text and not keep_quotes:
        return _tidy(_visible(html, keep_quotes=True))
    return text


def _too_deep(html: str) -> bool:
    if html.count("<") <= MAX_DEPTH:
        return False
    depth = 0
    for slash, name in _TAG.findall(html):
        if name.lower() not in _FLAT:
            depth = max(depth - 1, 0) if slash else depth + 1
            if depth > MAX_DEPTH:
                return True
    return False


def _without_tags(html: str) -> str:
    def gap(match: re.Match[str]) -> str:
        tag = match[2].lower()
        return "\0" if tag in _BREAKING or tag == "br" else " " if tag in _CELL else ""

    return unescape(_ANY_TAG.sub(gap, _SPACES.sub(" ", _without_code(html))))


def _without_code(html: str) -> str:
    """Cut out elements whose content is not text; linear, which a regular expression is not."""
    kept, at = [], 0
    folded = html.lower()
    while len(folded) == len(html) and (match := _UNSEEN.search(html, at)):
        kept.append(html[at : match.start()])
        end = folded.find(f"</{match[1].lower()}", match.end())
        if end < 0:
            return "".join(kept)
        at = end
    return "".join([*kept, html[at:]])


def _visible(html: str, *, keep_quotes: bool) -> str:
    body = LexborHTMLParser(html).body
    if body is None:
        return ""
    # Nothing is taken out of the tree: nested matches would be freed twice.
    skipped = {node.mem_id for node in body.css(_DROPPED)}
    if "style" in html:
        skipped |= _hidden(body)
    if keep_quotes:
        return _walk(body, skipped, frozenset())
    skipped |= {node.mem_id for node in body.css(f"{_QUOTES},{_SIGNATURES}")}
    return _walk(body, skipped, {node.mem_id for node in body.css(_QUOTE_STARTS)})


def _hidden(body: LexborNode) -> set[int]:
    """Preheaders repeat the subject or advertise: nobody sees them in the mail."""
    return {
        node.mem_id
        for node in body.css("[style]")
        if _HIDDEN.search((node.attributes.get("style") or "").replace(" ", "").lower())
    }


def _walk(body: LexborNode, skipped: Set[int], ends: Set[int]) -> str:
    """Return the text below ``body`` without the ``skipped``; NUL stands for the end of a line.

    ``ends``: with these begins the history, which follows beside them, not in them (Outlook).
    """
    out: list[str] = []
    node = body.child
    preformatted = 0
    while node is not None:
        last = node.mem_id in ends
        below = None
        if not last and node.mem_id not in skipped:
            preformatted += _enter(node, out, preformatted=preformatted > 0)
            below = node.child
            if below is None:
                preformatted -= _leave(node, out)
        following = None if last else node.next
        while below is None and following is None:
            node = node.parent
            if node is None or node.mem_id == body.mem_id:
                return "".join(out)
            preformatted -= _leave(node, out)
            following = node.next
        node = below or following
    return "".join(out)


def _enter(node: LexborNode, out: list[str], *, preformatted: bool) -> bool:
    """Write what stands before a node's children; return if they are preformatted."""
    tag = node.tag or ""
    if tag == "-text":
        raw = node.text_content or ""
        out.append(raw.replace("\n", "\0") if preformatted else _SPACES.sub(" ", raw))
    elif tag == "br":
        out.append("\0")
    elif tag in _BREAKING:
        if out and not out[-1].endswith("\0"):
            out.append("\0")
    elif tag in _CELL:
        out.append(" ")
    return tag == "pre"


def _leave(node: LexborNode, out: list[str]) -> bool:
    """Write what stands after a node's children; return if they were preformatted."""
    tag = node.tag or ""
    if tag in _PARAGRAPH:
        out.append("\0\0")
    elif tag in _BREAKING:
        out.append("\0")
    return tag == "pre"


def _tidy(text: str) -> str:
    text = _PADDING.sub(" ", text)
    lines = [_SPACES.sub(" ", line).strip() for line in text.split("\0")]
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
