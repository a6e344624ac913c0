"""Clothes, things in hand, vehicles and objects, each with the phrases that name it."""

from collections.abc import Callable
from random import Random

from t2ibench.tiny.scenes.draw import (
    INK,
    WHITE,
    Color,
    Figure,
    box,
    darker,
    limb,
    mix,
    oval,
    smooth,
)

BRIGHT: tuple[tuple[str, Color], ...] = (
    ("red", (222, 50, 54)), ("blue", (48, 104, 216)), ("yellow", (248, 204, 48)),
    ("green", (54, 160, 88)), ("purple", (144, 76, 190)), ("orange", (242, 136, 44)),
)


def wear(f: Figure, item: str, rng: Random) -> tuple[str, ...]:
    """Put a hat, glasses, a scarf or a tie on a figure; gives the phrases that say so."""
    word, color = rng.choice(BRIGHT)
    spot = {"glasses": "eyes", "sunglasses": "eyes", "scarf": "neck", "tie": "neck",
            "bow tie": "neck"}.get(item, "hat")
    if spot not in f.anchors:
        return ()
    x, y, k = f.anchors[spot]
    f.layer()
    f.push(x, y, k)
    said: tuple[str, ...] = (f"wearing a {word} {item}", f"in a {word} {item}", f"with a {item}")
    if item == "chef's hat":
        f.prop(smooth([(-12, -8), (-17, -18), (-8, -27), (8, -27), (17, -18), (12, -8)]), WHITE)
        f.prop(box(-12, -10, 12, 1), (236, 236, 240))
        said = ("wearing a chef's hat", "in a white chef hat", "dressed as a chef")
    elif item == "top hat":
        f.prop(box(-11, -24, 11, 0), (40, 36, 46))
        f.prop(box(-11, -7, 11, -2), color)
        f.prop(oval(0, 0, 20, 3.6), (40, 36, 46))
        said = ("wearing a top hat", "in a black top hat", "with a tall hat")
    elif item == "party hat":
        f.prop([(-10, 1), (0, -26), (10, 1)], color)
        f.prop(oval(0, -26, 3.4, 3.4), WHITE)
    elif item == "western hat":
        f.prop(smooth([(-11, 0), (-9, -15), (0, -12), (9, -15), (11, 0)]), (156, 100, 54))
        f.prop(smooth([(-25, -5), (0, 0), (25, -5), (14, 4), (-14, 4)]), (156, 100, 54))
        said = ("wearing a western hat", "in a brown hat", "dressed as a sheriff")
    elif item == "hat":
        f.prop(smooth([(-13, 0), (-12, -13), (0, -17), (12, -13), (13, 0)]), color)
        f.prop(box(-15, -4, 15, 2), mix(color, WHITE, 0.45))
    elif item == "crown":
        f.prop([(-12, 1), (-14, -15), (-6, -7), (0, -18), (6, -7), (14, -15), (12, 1)],
               (250, 204, 50))
        said = ("wearing a golden crown", "in a crown", "with a crown on its head")
    elif item in ("glasses", "sunglasses"):
        rim = INK if item == "sunglasses" else color
        for s in (-8.5, 8.5):
            if item == "sunglasses":
                f.prop(oval(s, 0, 7.6, 6.4), rim)
            else:
                f.mark(oval(s, 0, 7.4, 7.0), rim)
                f.mark(oval(s, 0, 5.4, 5.0), (214, 234, 246))
                f.mark(oval(s, 0, 2.4, 2.8), INK)
        f.mark(limb([(-3, -1, 1), (3, -1, 1)]), rim)
        said = (f"wearing {item}", f"with {item} on", f"in {item}")
    elif item == "scarf":
        f.prop(limb([(6, 2, 4), (9, 18, 4.6)]), darker(color, 0.15))
        f.prop(limb([(-14, -2, 4), (0, 2, 4.6), (14, -2, 4)]), color)
    elif item == "tie":
        f.prop([(-3, 0), (3, 0), (5, 20), (0, 26), (-5, 20)], color)
    elif item == "bow tie":
        f.prop([(-11, -5), (0, 1), (-11, 7)], color)
        f.prop([(11, -5), (0, 1), (11, 7)], color)
    f.pop()
    return said


def hold(f: Figure, item: str, rng: Random) -> tuple[str, ...]:
    """Put an object into a figure's hand; gives the phrases that say so."""
    if "hand" not in f.anchors:
        return ()
    word, color = rng.choice(BRIGHT)
    x, y, k = f.anchors["hand"]
    f.layer()
    f.push(x, y, k)
    said: tuple[str, ...] = (f"holding a {word} {item}", f"with a {item}", f"carrying a {item}")
    if item == "umbrella":
        f.prop(limb([(0, 0, 1.2), (0, -62, 1.2)]), (90, 70, 60))
        f.prop(smooth([(-34, -56), (-20, -76), (0, -82), (20, -76), (34, -56), (0, -60)]), color)
        said = (f"holding a {word} umbrella", "under an umbrella", "with an umbrella")
    elif item == "balloon":
        f.prop(limb([(0, 0, 0.6), (6, -42, 0.6)]), (90, 90, 90))
        f.prop(oval(6, -56, 12, 15), color)
        f.mark(oval(2, -61, 3, 4), mix(color, WHITE, 0.6))
    elif item == "book":
        f.push(-24, 2)
        f.prop([(-20, -11), (0, -7), (20, -11), (20, 9), (0, 13), (-20, 9)], color)
        f.mark([(-17, -12), (0, -8), (0, 9), (-17, 6)], WHITE)
        f.mark([(17, -12), (0, -8), (0, 9), (17, 6)], (232, 230, 224))
        f.pop()
        said = ("reading a book", f"holding a {word} book", "with an open book")
    elif item == "cup":
        f.prop(oval(9, 0, 4.6, 4.6), color)
        f.prop(box(-7, -8, 7, 8), color)
        f.mark(oval(0, -8, 7, 2), (110, 66, 40))
        said = ("holding a cup", "drinking coffee", f"with a {word} cup of tea", "drinking tea")
    elif item == "guitar":
        f.push(-24, 2, 1, -24)
        f.prop(limb([(0, 0, 2), (40, 0, 2)]), (96, 58, 34))
        f.prop(oval(-12, 0, 15, 12), (200, 126, 56))
        f.prop(oval(4, 0, 10, 9), (200, 126, 56))
        f.mark(oval(-2, 0, 4, 4), (70, 40, 26))
        f.pop()
        said = ("playing a guitar", "playing the guitar", "holding a guitar")
    elif item == "brush":
        f.prop(limb([(-4, 8, 1.4), (6, -18, 1.4)]), (150, 96, 54))
        f.prop(oval(7, -22, 3, 5), color)
        said = ("holding a paint brush", "painting a picture", "painting with a brush")
    elif item == "flower":
        f.prop(limb([(0, 8, 1), (0, -14, 1)]), (60, 140, 70))
        for dx, dy in ((-5, -18), (5, -18), (0, -24), (0, -13)):
            f.prop(oval(dx, dy, 4.4, 4.4), color)
        f.mark(oval(0, -18, 3.2, 3.2), (250, 220, 90))
    elif item == "ice cream":
        f.prop([(-5, -6), (5, -6), (0, 10)], (216, 160, 90))
        f.prop(oval(0, -10, 7.5, 7), (250, 190, 206))
        said = ("eating ice cream", "holding an ice cream cone", "with an ice cream cone")
    elif item == "pan":
        f.prop(limb([(0, 0, 1.6), (14, -3, 1.6)]), (50, 46, 50))
        f.prop(oval(25, -4, 13, 4.5), (50, 46, 50))
        f.mark(oval(25, -6, 8, 2.4), (250, 216, 96))
        said = ("cooking with a pan", "cooking a meal", "holding a frying pan", "cooking")
    f.pop()
    return said


def ride(f: Figure, item: str, rng: Random) -> tuple[str, ...]:
    """Set an upright figure at a table or on a vehicle (feet at y = 75)."""
    word, color = rng.choice(BRIGHT)
    f.layer()
    if item == "table":
        f.prop(box(-40, 44, 40, 50), (172, 112, 64))
        f.prop(box(-34, 50, -28, 76), (140, 88, 50))
        f.prop(box(28, 50, 34, 76), (140, 88, 50))
        f.prop(oval(-6, 43, 11, 3), WHITE)
        f.mark(oval(-6, 41, 6, 3), (222, 120, 60))
        f.prop(box(14, 34, 23, 44), color)
        return ("sitting at a table", "eating at a table", "sitting at a wooden table with food",
                "having dinner at a table")
    if item == "car":
        f.prop(smooth([(-54, 52), (-46, 40), (0, 38), (46, 40), (56, 54), (54, 68), (-54, 68)]),
               color)
        f.mark(oval(49, 51, 4, 4), (255, 244, 190))
        f.mark(limb([(-6, 42, 0.8), (-6, 64, 0.8)]), darker(color, 0.35))
        for x in (-30, 30):
            f.prop(oval(x, 68, 11, 11), (44, 42, 50))
            f.mark(oval(x, 68, 5, 5), (190, 190, 198))
        return (f"driving a {word} car", "driving a car", f"in a little {word} car",
                "riding in a small car")
    if item == "bicycle":
        for x in (-27, 27):
            f.prop(oval(x, 66, 15, 15), (44, 42, 50))
            f.mark(oval(x, 66, 11.5, 11.5), (206, 220, 226))
            f.mark(oval(x, 66, 2, 2), (44, 42, 50))
        for a, b, c, d in ((-27, 66, -8, 52), (-8, 52, 20, 50), (20, 50, 27, 66), (-8, 52, 2, 66),
                           (20, 50, 2, 66), (20, 50, 24, 42)):
            f.prop(limb([(a, b, 1.5), (c, d, 1.5)]), color)
        return ("riding a bicycle", "riding a bike", f"on a {word} bicycle")
    f.prop(limb([(-34, 74, 2), (-26, 78, 2.2), (26, 78, 2.2), (34, 74, 2)]), color)
    for x in (-18, 18):
        f.prop(oval(x, 83, 4, 4), (44, 42, 50))
    return ("riding a skateboard", f"on a {word} skateboard", "standing on a skateboard")


def _tree(f: Figure, c: Color) -> None:
    f.add(box(-4, -30, 4, 0), (120, 82, 52))
    for x, y, r in ((-10, -36, 13), (10, -36, 13), (0, -48, 15)):
        f.mark(oval(x, y, r, r), (62, 142, 70))


def _bench(f: Figure, c: Color) -> None:
    for y in (-22, -16, -9):
        f.add(box(-22, y, 22, y + 4), (176, 116, 66))
    for x in (-18, 15):
        f.add(box(x, -9, x + 3, 0), (90, 84, 90))


def _ball(f: Figure, c: Color) -> None:
    f.add(oval(0, -7, 7, 7), c)
    f.clip(limb([(-8, -7, 1.8), (8, -7, 1.8)]), WHITE)


def _flowers(f: Figure, c: Color) -> None:
    for x in (-9, 0, 9):
        f.mark(limb([(x, 0, 0.9), (x, -9, 0.9)]), (48, 124, 56))
        f.mark(oval(x, -11, 4.4, 4.4), c)
        f.mark(oval(x, -11, 1.7, 1.7), (255, 236, 120))


def _bowl(f: Figure, c: Color) -> None:
    f.add(smooth([(-10, -8), (10, -8), (6, 0), (-6, 0)]), c)
    f.mark(oval(0, -8, 8, 2.2), (150, 96, 56))


def _chair(f: Figure, c: Color) -> None:
    f.add(box(-9, -34, -5, 0), (150, 98, 58))
    f.add(box(7, -15, 11, 0), (150, 98, 58))
    f.add(box(-9, -18, 11, -13), c)
    f.add(box(-9, -34, -5, -18), c)


def _car(f: Figure, c: Color) -> None:
    f.add(smooth([(-13, -16), (-8, -26), (9, -26), (16, -16)]), mix(c, WHITE, 0.2))
    f.mark(box(-8, -23, -1, -16), (200, 228, 244))
    f.mark(box(2, -23, 9, -16), (200, 228, 244))
    f.add(smooth([(-27, -6), (-24, -15), (22, -16), (28, -6), (24, -3), (-24, -3)]), c)
    for x in (-15, 15):
        f.add(oval(x, -4, 5, 5), (40, 40, 48))


def _umbrella(f: Figure, c: Color) -> None:
    f.add(box(-0.8, -44, 0.8, 0), (110, 80, 60))
    f.add(smooth([(-24, -38), (-14, -50), (0, -54), (14, -50), (24, -38), (0, -40)]), c)


def _rock(f: Figure, c: Color) -> None:
    f.add(smooth([(-13, 0), (-11, -9), (0, -13), (10, -9), (13, 0)]), (146, 142, 150))


def _fence(f: Figure, c: Color) -> None:
    for y in (-17, -8):
        f.mark(box(-110, y, 110, y + 3), (196, 152, 104))
    for x in range(-105, 110, 15):
        f.mark(box(x, -22, x + 3.4, 0), (172, 128, 84))


OBJECTS: dict[str, Callable[[Figure, Color], None]] = {
    "tree": _tree, "bench": _bench, "ball": _ball, "flowers": _flowers, "bowl": _bowl,
    "chair": _chair, "car": _car, "umbrella": _umbrella, "rock": _rock, "fence": _fence,
}
OUTDOOR = ("tree", "bench", "ball", "flowers", "rock", "fence", "fence", "tree", "umbrella")
INDOOR = ("ball", "bowl", "chair", "flowers")
SMALL = ("ball", "flowers", "bowl", "rock")
HATS = ("chef's hat", "top hat", "party hat", "western hat", "hat", "crown")
WEAR = (*HATS, "glasses", "sunglasses", "scarf", "scarf", "tie", "bow tie")
HOLD = ("umbrella", "balloon", "book", "cup", "guitar", "brush", "flower", "ice cream", "pan")
RIDE = ("table", "table", "car", "bicycle", "skateboard")


def make_object(name: str, rng: Random) -> tuple[Figure, tuple[str, ...]]:
    """An object standing at (0, 0) and the phrases that name it."""
    word, color = rng.choice(BRIGHT)
    f = Figure(outline=darker(color, 0.6))
    OBJECTS[name](f, color)
    noun = {"flowers": "some flowers", "umbrella": "an umbrella"}.get(name, f"a {name}")
    painted = f"a {word} {name}" if name in ("ball", "chair", "car", "umbrella", "bowl") else noun
    where = ("next to", "near", "beside", "by")
    return f, tuple(f"{p} {n}" for p in where for n in (noun, painted))
