"""HTML → text."""

from __future__ import annotations

import pytest

from services.ingest.channels.html import to_text


def test_blocks_become_lines() -> None:
    html = "<div>One<div>two</div>three</div><p>four<br>five</p><ul><li>six</li><li>seven</li></ul>"
    assert to_text(html) == "One\ntwo\nthree\nfour\nfive\n\nsix\nseven"


def test_space_entities_and_cells() -> None:
    html = "<table><tr><td>a</td><td>b</td></tr></table>\n  x &amp;\n y&nbsp;z &lt;"
    assert to_text(html) == "a b\n\nx & y z <"


def test_preformatted_text_keeps_its_lines() -> None:
    assert to_text("<pre>one\n  two</pre>three") == "one\ntwo\n\nthree"


@pytest.mark.parametrize(
    "quote",
    [
        '<div class="gmail_quote"><div class="gmail_attr">On…</div>old</div>',
        '<blockquote type="cite">old <blockquote type="cite">older</blockquote></blockquote>',
        '<div class="moz-cite-prefix">On…</div><blockquote type="cite">old</blockquote>',
        '<div class="yahoo_quoted">old</div>',
        '<div id="divRplyFwdMsg">From: x</div><div>old</div><p>older</p>',
        '<div id="appendonsend"></div><hr><div>old</div>',
        '<div class="OutlookMessageHeader">From: x</div><div>old</div>',
        '<div class="gmail_signature">Ana</div>',
        '<div style="display: none; max-height:0px">Preheader</div>',
        '<span style="FONT-SIZE:0px">Preheader</span><script>x()</script><style>p{}</style>',
    ],
)
def test_history_and_what_is_hidden_is_left_out(quote: str) -> None:
    assert to_text(f"<html><body><div>My words</div>{quote}</body></html>") == "My words"


def test_history_is_kept_on_request_or_if_there_is_nothing_else() -> None:
    quoted = '<blockquote type="cite">old</blockquote>'
    assert to_text(f"new{quoted}", keep_quotes=True) == "new\nold"
    assert to_text(quoted) == "old"


def test_addresses_that_a_social_network_shortens_are_whole() -> None:
    html = (
        '<p>See <a href="x"><span class="invisible">https://</span><span>a.example/b</span></a></p>'
    )
    assert to_text(html) == "See https://a.example/b"


def test_deep_nesting_loses_the_markup_and_not_the_words() -> None:
    html = "<style>p{}</style>" + "<div>" * 2_000 + "fire &amp; smoke" + "</div>" * 2_000
    assert to_text(html) == "fire & smoke"


@pytest.mark.parametrize("html", ["", "<", "no markup at all", "<p", "</p>", "<!--x", "&#0;"])
def test_fragments(html: str) -> None:
    assert isinstance(to_text(html), str)
