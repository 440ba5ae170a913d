"""Fuzz target: any text is made fit to be shown, once and for all."""

from dovetail.wire.sanitize import sanitize_text

SEEDS = ["\x1b[31m\x1b]8;;x\x07\u202e👩\u200d👩\ufe0f\U000e0041\u200b".encode()]


def fuzz(data: bytes) -> None:
    text = data.decode("utf-8", "surrogatepass") if _decodes(data) else data.decode("latin-1")
    shown = sanitize_text(text)
    assert sanitize_text(shown) == shown
    assert len(shown) <= len(text)
    assert not set(shown) & set("\x1b\x9b\x9d\x00\b\x7f\u202e\u200b\ufeff")


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True
