"""Frontal heads, one function per class: about 40 units wide around (0, 0), y down."""

from collections.abc import Callable
from dataclasses import dataclass

from t2ibench.tiny.scenes.draw import INK, WHITE, Color, Figure, Points, darker, limb, mix, oval

PINK: Color = (240, 150, 160)


@dataclass(frozen=True)
class Coat:
    """The colours of one animal; `words` are the adjectives a caption may use."""

    main: Color
    light: Color
    dark: Color
    eye: Color = (60, 40, 20)
    pattern: str = ""
    words: tuple[str, ...] = ()


def flip(points: Points) -> list[tuple[float, float]]:
    """Mirror left and right."""
    return [(-x, y) for x, y in points]


def both(f: Figure, points: Points, color: Color, kind: str = "skin") -> None:
    """Add a polygon and its mirror image."""
    f.add(points, color, kind)
    f.add(flip(points), color, kind)


def dot_eyes(f: Figure, dx: float, y: float, r: float, white: bool = True) -> None:
    """Two round eyes with a highlight."""
    for x in (-dx, dx):
        if white:
            f.mark(oval(x, y, r * 1.25, r * 1.25), WHITE)
        f.mark(oval(x, y, r * 0.85, r * 0.85), INK)
        f.mark(oval(x + r * 0.3, y - r * 0.35, r * 0.3, r * 0.3), WHITE)
    f.anchor("eyes", 0, y, dx / 9)


def cat(f: Figure, c: Coat) -> None:
    """Pointed ears, slit eyes, whiskers."""
    both(f, [(-20, -2), (-18, -27), (-3, -14)], c.main)
    f.add(oval(0, 0, 21, 17), c.main)
    both(f, [(-17, -12), (-16, -22), (-8, -15)], PINK, "mark")
    if c.pattern == "tabby":
        for x in (-6, 0, 6):
            f.clip(limb([(x * 1.2, -18, 1.7), (x * 0.8, -8, 1.2)]), c.dark)
        for y in (2, 8):
            f.clip(limb([(-22, y, 1.5), (-15, y + 1, 1)]), c.dark)
            f.clip(limb([(22, y, 1.5), (15, y + 1, 1)]), c.dark)
    both(f, oval(-4.5, 8, 6, 5), c.light, "mark")
    for x in (-9, 9):
        f.mark(oval(x, -1, 5.2, 5), c.eye)
        f.mark(oval(x, -1, 1.9, 4.6), INK)
    f.anchor("eyes", 0, -1, 1)
    f.mark([(-3, 4), (3, 4), (0, 7.5)], (235, 110, 125))
    ink = WHITE if sum(c.main) < 210 else darker(c.main, 0.75)
    for y in (7, 10):
        f.mark(limb([(8, y, 0.5), (26, y * 1.5 - 6, 0.5)]), ink)
        f.mark(limb([(-8, y, 0.5), (-26, y * 1.5 - 6, 0.5)]), ink)
    f.mark(limb([(-5, 9.5, 0.7), (0, 12, 0.7), (5, 9.5, 0.7)]), darker(c.main, 0.8))
    f.anchor("hat", 0, -14, 1)


def dog(f: Figure, c: Coat) -> None:
    """Hanging ears, long muzzle, black nose, tongue."""
    f.add(oval(0, -1, 17, 18), c.main)
    if c.pattern == "spots":
        f.clip(oval(-9, -6, 7, 9), c.dark)
    f.clip(oval(0, -14, 3, 14), c.light)
    dot_eyes(f, 7.5, -4, 3.2)
    f.mark(limb([(0, 14, 4), (0, 20, 4)]), (232, 70, 90))
    f.mark(oval(0, 8, 10.5, 8.5), c.light)
    f.mark(oval(0, 4.5, 5, 3.6), INK)
    f.mark(limb([(0, 7, 0.8), (0, 12.5, 0.8), (-6, 11, 0.8)]), INK)
    f.mark(limb([(0, 12.5, 0.8), (6, 11, 0.8)]), INK)
    f.layer()
    both(f, limb([(-14, -14, 4), (-20, -4, 6), (-20, 9, 5.5)]), c.dark)
    f.anchor("hat", 0, -16, 0.95)


def horse(f: Figure, c: Coat) -> None:
    """A long face with blaze, nostrils and forelock."""
    both(f, [(-12, -17), (-12, -31), (-3, -22)], c.main)
    f.add(limb([(0, -12, 13.5), (0, 6, 10.5), (0, 18, 10)]), c.main)
    f.clip(limb([(0, -12, 3), (0, 14, 3.5)]), c.light)
    f.clip(oval(0, 22, 14, 8), mix(c.main, (90, 70, 75), 0.55))
    dot_eyes(f, 9.5, -7, 2.9)
    both(f, oval(-4.5, 20, 1.8, 2.6), INK, "mark")
    f.add(limb([(-1, -27, 3), (1, -18, 5), (3, -11, 2)]), c.dark)
    f.anchor("hat", 0, -21, 0.85)


def zebra(f: Figure, c: Coat) -> None:
    """A long white face with black stripes, black muzzle and upright mane."""
    both(f, [(-11, -17), (-15, -31), (-3, -22)], c.main)
    both(f, [(-11, -20), (-13, -27), (-7, -22)], c.dark, "mark")
    f.add(limb([(0, -12, 13.5), (0, 6, 10.5), (0, 18, 10)]), c.main)
    for y in (-19, -11, -1, 7):
        for s in (-1, 1):
            f.clip(limb([(s * 15, y + 2, 2.4), (s * 8, y, 2), (s * 2.5, y - 3, 0.8)]), c.dark)
    f.clip(oval(0, 23, 14, 9.5), c.dark)
    dot_eyes(f, 9, -5.5, 3)
    both(f, oval(-4.5, 20, 1.6, 2.2), (150, 140, 140), "mark")
    f.add(limb([(0, -32, 3.4), (0, -22, 4.5)]), c.dark)
    f.anchor("hat", 0, -21, 0.85)


def bird(f: Figure, c: Coat) -> None:
    """A round head, crest and a short bright beak."""
    for x, y in ((-4, -26), (1, -28), (6, -25)):
        f.add(limb([(x, y, 2), (x * 0.3, -14, 3)]), c.main)
    f.add(oval(0, 0, 18, 17), c.main)
    both(f, oval(-8, 1, 8.5, 9), c.light, "clip")
    dot_eyes(f, 8, -2, 3.8, white=False)
    f.layer()
    f.add([(-6.5, 1), (0, -2.5), (6.5, 1), (0, 13)], (250, 160, 30))
    f.mark([(-6, 2.5), (6, 2.5), (0, 4.5)], (200, 100, 10))
    f.anchor("hat", 0, -14, 0.9)


def sheep(f: Figure, c: Coat) -> None:
    """A dark face under a cap of wool."""
    both(f, limb([(-10, -4, 4), (-22, 0, 4)]), c.dark)
    f.add(limb([(0, -4, 12.5), (0, 12, 9)]), c.dark)
    dot_eyes(f, 6, -1, 3)
    both(f, oval(-2.8, 15, 1.2, 1.7), darker(c.dark, 0.7), "mark")
    f.mark(limb([(-3, 18, 0.7), (3, 18, 0.7)]), PINK)
    f.layer()
    for x, y, r in ((-11, -11, 7), (11, -11, 7), (-5, -17, 7), (6, -17, 7), (0, -11, 7)):
        f.add(oval(x, y, r, r), c.main)
    f.anchor("hat", 0, -20, 0.85)


def cow(f: Figure, c: Coat) -> None:
    """Horns, ears to the sides and a broad pink muzzle."""
    both(f, limb([(-9, -14, 3), (-17, -19, 2.6), (-17, -27, 1.4)]), (236, 220, 180))
    both(f, oval(-20, -7, 8, 4.5, 20), c.dark)
    f.add(limb([(0, -7, 14.5), (0, 12, 11)]), c.main)
    f.clip(oval(-11, -8, 9, 13), c.dark)
    f.clip(oval(13, -10, 8, 10), c.dark)
    dot_eyes(f, 8, -5, 3)
    f.add(oval(0, 14, 15, 9), (244, 168, 172))
    both(f, oval(-6, 12, 2.2, 2.8), (120, 50, 60), "mark")
    f.mark(limb([(-6, 18.5, 0.8), (0, 20, 0.8), (6, 18.5, 0.8)]), (150, 70, 80))
    f.anchor("hat", 0, -18, 0.85)


def elephant(f: Figure, c: Coat) -> None:
    """Huge ears, a hanging trunk and tusks."""
    both(f, oval(-22, -3, 14, 19, -8), c.main)
    both(f, oval(-22, -3, 9.5, 14, -8), mix(c.light, PINK, 0.45), "mark")
    f.layer()
    f.add(oval(0, -5, 15, 17), c.main)
    dot_eyes(f, 7.5, -6, 2.6)
    both(f, limb([(-7, 8, 2.6), (-11, 15, 2.2), (-12, 21, 1)]), WHITE)
    f.layer()
    f.add(limb([(0, 2, 6.2), (0, 14, 5.4), (1, 24, 4.6), (7, 30, 4)]), c.main)
    for y in (10, 16, 22):
        f.mark(limb([(-4, y, 0.7), (4, y, 0.7)]), c.dark)
    f.anchor("hat", 0, -19, 0.85)


def bear(f: Figure, c: Coat) -> None:
    """Round ears, broad head, pale muzzle."""
    both(f, oval(-15, -14, 7.5, 7.5), c.main)
    both(f, oval(-15, -14, 4, 4), c.light, "mark")
    f.add(oval(0, 0, 21, 18.5), c.main)
    dot_eyes(f, 8, -4, 2.8, white=sum(c.main) < 200)
    f.mark(oval(0, 8, 10.5, 8.5), c.light)
    f.mark(oval(0, 4.5, 4.6, 3.4), INK)
    f.mark(limb([(0, 7, 0.8), (0, 12.5, 0.8), (-5, 11, 0.8)]), INK)
    f.mark(limb([(0, 12.5, 0.8), (5, 11, 0.8)]), INK)
    f.anchor("hat", 0, -16, 1)


def giraffe(f: Figure, c: Coat) -> None:
    """Two horns with knobs, ears to the sides, patches and a pale muzzle."""
    for s in (-1, 1):
        f.add(limb([(s * 6, -16, 2.4), (s * 7, -28, 2.4)]), c.main)
        f.add(oval(s * 7, -30, 3.8, 3.4), c.dark)
    both(f, oval(-18, -14, 9, 4, 22), c.main)
    f.add(limb([(0, -10, 13), (0, 6, 9.5), (0, 16, 9.5)]), c.main)
    for x, y, r in ((0, -16, 4.5), (-11, -17, 3.5), (11, -17, 3.5), (-10, 2, 3), (10, 2, 3)):
        f.clip(oval(x, y, r, r), c.dark)
    f.clip(oval(0, 0, 3.2, 4), c.dark)
    f.clip(oval(0, 21, 14, 10), c.light)
    dot_eyes(f, 8.5, -8, 3)
    both(f, oval(-4, 17, 1.5, 2), INK, "mark")
    f.mark(limb([(-4, 22, 0.7), (4, 22, 0.7)]), (120, 80, 50))
    f.anchor("hat", 0, -20, 0.8)


def person(f: Figure, c: Coat) -> None:
    """A human face under hair."""
    f.add(oval(0, -6, 16, 17), c.dark)
    f.add(oval(0, 0, 13.5, 16), c.light)
    f.clip(oval(0, -17, 17, 9), c.dark)
    dot_eyes(f, 5.5, -1, 2.4, white=False)
    f.mark(limb([(-4, 8, 1), (0, 9.5, 1), (4, 8, 1)]), (190, 70, 70))
    f.anchor("hat", 0, -17, 0.8)


HEADS: dict[str, Callable[[Figure, Coat], None]] = {
    "cat": cat,
    "dog": dog,
    "horse": horse,
    "bird": bird,
    "zebra": zebra,
    "sheep": sheep,
    "cow": cow,
    "elephant": elephant,
    "bear": bear,
    "giraffe": giraffe,
    "person": person,
}
