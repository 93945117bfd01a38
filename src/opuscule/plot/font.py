"""Letters of five by seven dots: all that the axes of a picture are lettered with."""

from collections.abc import Iterator

__all__ = ["ADVANCE", "HEIGHT", "dots"]

HEIGHT = 7
ADVANCE = 6
"""Dots from one letter to the next."""

# A letter is its seven rows from the top, each five bits, the leftmost the highest, in base 32.
_LETTERS = {
    "0": "EHJLPHE",
    "1": "4C4444E",
    "2": "EH1248V",
    "3": "V2421HE",
    "4": "26AIV22",
    "5": "VGU11HE",
    "6": "68GUHHE",
    "7": "V124888",
    "8": "EHHEHHE",
    "9": "EHHF12C",
    ":": "0CC0CC0",
    ".": "00000CC",
    "-": "000V000",
    "k": "GGIKOKI",
    "H": "HHHVHHH",
    "z": "00V248V",
    "s": "00FGE1U",
    "d": "11DJHHF",
    "B": "UHHUHHU",
    " ": "0000000",
}


def dots(text: str) -> Iterator[tuple[int, int]]:
    """Yield column and row of each dot of a text; what there is no letter for stays blank."""
    for number, letter in enumerate(text):
        for row, bits in enumerate(_LETTERS.get(letter, _LETTERS[" "])):
            value = int(bits, 32)
            for column in range(5):
                if value >> (4 - column) & 1:
                    yield number * ADVANCE + column, row
