"""Numbers as the profile's sentences and pictures say them."""


def count(number: float, one: str, many: str = "") -> str:
    """Return '1 row' or '1,234 rows'."""
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"


def of(part: float, whole: float) -> str:
    """Return a part as a percentage of the whole."""
    return percent(part / whole if whole else 0)


def percent(share: float) -> str:
    """Return a share of 1 as a percentage, with more digits where it is small or nearly all."""
    digits = 0 if 0.1 <= share < 0.995 or share in (0, 1) else 1 if 0.0005 <= share < 0.9995 else 2
    return f"{share:.{digits}%}"


def short(number: float) -> str:
    """Return a number with three digits at the most, and k, M or G behind it."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def step(number: int) -> str:
    """Return the whole numbers of a step that doubles: '4-7' for 2; -1 is none."""
    if number < 1:
        return "0" if number < 0 else "1"
    low, high = 2**number, 2 ** (number + 1) - 1
    return f"{low}\u2013{high}" if high < 1000 else f"{short(round(low, -2))}+"


def price_step(number: int) -> str:
    """Return the bounds of a step of prices that doubles: '4-8' for 2."""
    return f"{short(2.0**number)}\u2013{short(2.0 ** (number + 1))}"


def which_are_drawn(drawn: int, there: int, which: str) -> str:
    """Return a sentence that says what the picture leaves out; nothing when it leaves out nothing."""
    return "" if drawn == there else f" The {drawn} {which} are drawn."
