"""Text as a picture: an SVG document that needs no style sheet, no font and no script."""

from html import escape

_COLUMN_WIDTH = 8
_LINE_HEIGHT = 16
_FONT_SIZE = 13
_MARGIN = 12
_BASELINE = 12
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_FIRST_PRINTABLE = " "


def svg_of(text: str, title: str) -> bytes:
    """Return lines of text as an SVG document, each character as wide as any other.

    Every line is told its length, so that what is drawn with characters fits together whatever
    font the reader has.

    Args:
        text: with a line feed between lines.
        title: what readers of the page are told that it is.
    """
    lines = [_printable(line) for line in text.rstrip("\n").split("\n")]
    width = 2 * _MARGIN + _COLUMN_WIDTH * max(map(len, lines))
    height = 2 * _MARGIN + _LINE_HEIGHT * len(lines)
    drawn = "\n".join(
        _line(line, _MARGIN + _LINE_HEIGHT * number + _BASELINE)
        for number, line in enumerate(lines)
        if line.strip()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>{escape(_printable(title))}</title>\n"
        f'<rect width="{width}" height="{height}" fill="white"/>\n'
        f'<g font-family="monospace" font-size="{_FONT_SIZE}" fill="black">\n'
        f"{drawn}\n</g>\n</svg>\n"
    ).encode()


def _line(line: str, baseline: int) -> str:
    length = _COLUMN_WIDTH * len(line)
    return (
        f'<text x="{_MARGIN}" y="{baseline}" textLength="{length}" '
        f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{escape(line)}</text>'
    )


def _printable(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return "".join(
        letter
        if letter >= _FIRST_PRINTABLE
        and letter not in "\x7f\ufffe\uffff"
        and not "\ud800" <= letter <= "\udfff"
        else _REPLACEMENT
        for letter in text
    )
