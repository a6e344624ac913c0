"""Coats and poses of the ten animals and of a person."""

from random import Random

from t2ibench.tiny.scenes.draw import WHITE, Color, Figure, Points, darker, limb, mix, oval, smooth
from t2ibench.tiny.scenes.heads import HEADS, Coat, both
from t2ibench.tiny.scenes.sides import SIDES

CLASSES: tuple[str, ...] = (
    "cat", "dog", "horse", "bird", "zebra", "sheep", "cow", "elephant", "bear", "giraffe",
)
_GREEN: Color = (120, 215, 80)
_GOLD: Color = (250, 215, 60)
COATS: dict[str, tuple[Coat, ...]] = {
    "cat": (
        Coat((240, 150, 55), (255, 232, 200), (190, 95, 25), _GREEN, "tabby", ("orange", "ginger")),
        Coat((240, 150, 55), (255, 232, 200), (190, 95, 25), _GREEN, "tabby", ("orange", "tabby")),
        Coat((150, 152, 162), (230, 230, 235), (92, 94, 108), _GOLD, "tabby", ("grey", "gray")),
        Coat((52, 48, 58), (120, 115, 125), (30, 28, 34), _GOLD, "", ("black",)),
        Coat((246, 242, 236), (255, 255, 255), (200, 190, 185), (90, 170, 230), "", ("white",)),
    ),
    "dog": (
        Coat((176, 116, 62), (236, 208, 168), (112, 66, 32), words=("brown",)),
        Coat((230, 178, 92), (252, 230, 186), (182, 124, 54), words=("golden", "tan")),
        Coat((246, 244, 240), (255, 255, 255), (45, 40, 44), pattern="spots",
             words=("spotted", "black and white")),
        Coat((74, 58, 52), (206, 150, 92), (44, 34, 32), words=("dark brown", "black and tan")),
        Coat((196, 138, 80), (250, 240, 226), (130, 80, 42), words=("brown and white", "brown")),
    ),
    "horse": (
        Coat((158, 82, 40), (238, 220, 200), (70, 36, 22), words=("brown", "chestnut")),
        Coat((158, 82, 40), (238, 220, 200), (70, 36, 22), words=("brown", "bay")),
        Coat((196, 122, 60), (246, 232, 210), (240, 214, 160), words=("light brown", "tan")),
        Coat((62, 54, 60), (190, 185, 190), (28, 24, 28), words=("black", "dark")),
        Coat((236, 232, 228), (255, 255, 255), (176, 168, 166), words=("white",)),
    ),
    "bird": (
        Coat((222, 52, 48), (250, 190, 160), (150, 24, 34), words=("red", "bright red")),
        Coat((52, 124, 226), (240, 236, 226), (24, 70, 160), words=("blue", "bright blue")),
        Coat((250, 208, 50), (255, 240, 170), (214, 150, 24), words=("yellow",)),
        Coat((74, 176, 88), (226, 240, 150), (32, 110, 62), words=("green",)),
    ),
    "zebra": (Coat((250, 248, 244), (255, 255, 255), (28, 24, 28), pattern="stripes",
                   words=("striped", "black and white")),),
    "sheep": (
        Coat((250, 246, 236), (226, 216, 204), (66, 56, 60), words=("white", "fluffy", "woolly")),
        Coat((240, 226, 198), (218, 200, 170), (56, 46, 46), words=("cream", "fluffy")),
    ),
    "cow": (
        Coat((250, 248, 244), (255, 255, 255), (38, 34, 38), words=("black and white", "spotted")),
        Coat((250, 246, 238), (255, 255, 255), (160, 82, 40), words=("brown and white", "spotted")),
    ),
    "elephant": (
        Coat((142, 146, 160), (186, 184, 194), (96, 98, 114), words=("grey", "gray", "huge")),
        Coat((160, 156, 158), (198, 190, 194), (110, 104, 110), words=("gray", "large")),
    ),
    "bear": (
        Coat((134, 82, 46), (214, 168, 122), (92, 54, 30), words=("brown", "grizzly")),
        Coat((134, 82, 46), (214, 168, 122), (92, 54, 30), words=("brown", "big brown")),
        Coat((58, 50, 54), (176, 140, 108), (36, 30, 34), words=("black",)),
        Coat((246, 246, 242), (232, 228, 222), (214, 216, 220), words=("polar", "white")),
    ),
    "giraffe": (Coat((248, 206, 110), (252, 232, 190), (184, 98, 34), words=("tall", "spotted")),),
    "person": tuple(
        Coat(shirt, skin, hair)
        for shirt, skin, hair in (
            ((220, 60, 70), (244, 204, 172), (70, 44, 30)),
            ((60, 110, 210), (170, 112, 76), (34, 26, 26)),
            ((60, 160, 90), (236, 188, 150), (214, 164, 74)),
            ((240, 190, 50), (120, 78, 54), (28, 22, 22)),
            ((240, 240, 240), (250, 214, 186), (150, 70, 36)),
        )
    ),
}
ODD: tuple[tuple[str, Color], ...] = (
    ("purple", (150, 84, 200)), ("teal", (40, 168, 168)), ("pink", (244, 132, 178)),
    ("blue", (72, 120, 224)), ("green", (92, 184, 84)), ("red", (214, 66, 66)),
)
POSES: dict[str, tuple[str, ...]] = {
    "cat": ("sit", "sit", "stand", "walk", "lie"),
    "dog": ("stand", "walk", "sit", "lie"),
    "horse": ("stand", "stand", "walk", "graze"),
    "bird": ("perch", "perch", "fly"),
    "zebra": ("stand", "stand", "walk", "graze"),
    "sheep": ("stand", "stand", "walk", "lie", "graze"),
    "cow": ("stand", "stand", "walk", "lie", "graze"),
    "elephant": ("stand", "stand", "walk"),
    "bear": ("stand", "walk", "sit", "sit"),
    "giraffe": ("stand", "stand", "walk"),
}


def odd_coat(coat: Coat, word: str, color: Color) -> Coat:
    """The same coat in a colour that no such animal has."""
    dark = coat.dark if coat.pattern == "stripes" else darker(color, 0.5)
    return Coat(color, mix(color, WHITE, 0.6), dark, coat.eye, coat.pattern, (word,))


def coat_pattern(f: Figure, name: str, c: Coat, spots: Points) -> None:
    """Stripes, patches or spots on the body parts of the current layer."""
    if name == "zebra":
        for _, y in spots:
            f.clip(limb([(-60, y - 6, 2.2), (0, y + 3, 2.2), (60, y - 6, 2.2)]), c.dark)
    elif name in ("cow", "giraffe") or c.pattern == "spots":
        r = {"cow": 9.0, "giraffe": 5.0}.get(name, 3.8)
        for x, y in spots:
            f.clip(oval(x, y, r * 1.1, r), c.dark)
    elif c.pattern == "tabby":
        for _, y in spots:
            f.clip(limb([(-40, y, 1.5), (-9, y + 2, 0.8)]), c.dark)
            f.clip(limb([(40, y, 1.5), (9, y + 2, 0.8)]), c.dark)


def closeup(name: str, c: Coat) -> Figure:
    """Head and shoulders from the front; the head is centred at (0, 0)."""
    f = Figure(outline=darker(c.dark if name in ("zebra", "cow") else c.main, 0.62))
    body = c.dark if name == "sheep" else c.main
    if name == "sheep":
        for x, y, r in ((-22, 34, 16), (22, 34, 16), (0, 32, 18), (-34, 52, 18), (34, 52, 18),
                        (0, 56, 26)):
            f.add(oval(x, y, r, r), c.main)
    elif name in ("giraffe", "horse", "zebra"):
        w = 8.5 if name == "giraffe" else 13.0
        f.add(limb([(0, 8, w), (0, 40, w * 1.15), (0, 80, w * 2)]), body)
        coat_pattern(f, name, c, [(-8, 34), (7, 38), (-5, 46), (10, 52), (-12, 58), (2, 62),
                                  (14, 68), (-8, 74)])
    else:
        f.add(smooth([(-14, 8), (14, 8), (28, 30), (36, 70), (-36, 70), (-28, 30)]), body)
        coat_pattern(f, name, c, [(-18, 32), (16, 40), (-4, 50), (26, 56), (-26, 58)])
        f.clip(oval(0, 44, 12, 20), c.light if name in ("cat", "dog", "bird", "bear") else body)
    f.layer()
    HEADS[name](f, c)
    f.anchor("neck", 0, 24, 1)
    f.anchor("hand", 22, 40, 1)
    return f


def upright(name: str, c: Coat, rng: Random, legs: bool = True, shirt: Color | None = None
            ) -> Figure:
    """The animal on two legs like a person; head centred at (0, 0), feet at y = 75."""
    f = Figure(outline=darker(c.dark if name in ("zebra", "cow") else c.main, 0.62))
    fur = c.dark if name == "sheep" else c.main
    if name == "person":
        fur = c.light
        shirt = shirt or c.main
    if legs:
        for s in (-1, 1):
            f.add(limb([(s * 8, 56, 7), (s * 9, 70, 5.5)]), darker(c.main, .55)
                  if name == "person" else fur)
            f.add(oval(s * 11, 74, 7.5, 4), darker(fur, 0.35))
    f.layer()
    if name in ("cat", "horse", "zebra"):
        f.add(limb([(12, 56, 3.5), (28, 54, 3.5), (33, 40, 3)]), c.dark if name != "cat" else fur)
        f.layer()
    long = 10 if name == "giraffe" else 0
    if name == "sheep" and shirt is None:
        for x, y, r in ((-10, 34, 10), (10, 34, 10), (-12, 48, 10), (12, 48, 10), (0, 56, 11),
                        (0, 42, 14)):
            f.add(oval(x, y, r, r), c.main)
    else:
        f.add(limb([(0, 16, 7), (0, 30 + long / 2, 12), (0, 50, 15.5)]), fur)
        coat_pattern(f, name, c, [(-8, 28), (6, 36), (-6, 44), (8, 52), (-8, 56)])
        if name in ("cat", "dog", "bird", "bear"):
            f.clip(oval(0, 48, 9, 13), c.light)
    if shirt is not None:
        f.prop(limb([(0, 32, 12.5), (0, 50, 16)]), shirt)
        f.prop(limb([(0, 30, 1), (0, 58, 1)]), darker(shirt, 0.25))
    f.layer()
    up = rng.random() < 0.25
    for s in (-1, 1):
        hx, hy = (27.0, 26.0) if up and s < 0 else (23.0, 46.0)
        arm = limb([(s * 11, 32, 5), (s * (hx - 5), (32 + hy) / 2 + 3, 5), (s * hx, hy, 4.6)])
        if name == "bird":
            arm = limb([(s * 11, 30, 6), (s * 22, 40, 6.5), (s * 25, 52, 3)])
        f.add(arm, c.dark if name == "bird" else fur)
        if shirt is not None:
            f.prop(limb([(s * 11, 32, 5.6), (s * 17, 38, 5.8)]), shirt)
    f.layer()
    if name == "giraffe":
        f.add(limb([(0, 4, 7), (0, 30, 8)]), c.main)
        coat_pattern(f, name, c, [(-5, 20), (6, 28)])
    f.push(0, -long)
    HEADS[name](f, c)
    f.pop()
    f.anchor("neck", 0, 24, 1)
    f.anchor("hand", 24, 46, 1)
    return f


def sitting(name: str, c: Coat, rng: Random) -> Figure:
    """A cat, dog or bear on its haunches, seen from the front; feet at y = 75."""
    f = Figure(outline=darker(c.main, 0.62))
    if name == "cat":
        f.add(limb([(14, 66, 4.5), (30, 66, 4.5), (37, 52, 4.2), (33, 38, 3.6)]), c.main)
    elif name == "dog":
        f.add(limb([(14, 66, 4), (30, 60, 3.4), (37, 46, 2.4)]), c.main)
    f.layer()
    both(f, oval(-17, 62, 10, 12), darker(c.main, 0.12))
    f.add(limb([(0, 14, 11), (0, 34, 15), (0, 58, 18)]), c.main)
    f.clip(oval(0, 34, 8, 16), c.light)
    coat_pattern(f, name, c, [(-10, 30), (12, 36), (-12, 46), (10, 54)])
    f.layer()
    both(f, limb([(-7, 44, 6), (-7, 68, 5)]), c.main)
    both(f, oval(-8, 71, 7, 4.5), c.light if name != "bear" else c.dark)
    if name == "dog":
        f.layer()
        f.prop(limb([(-10, 20, 2.4), (0, 23, 2.4), (10, 20, 2.4)]),
               rng.choice(((220, 40, 50), (40, 90, 220))))
    f.layer()
    HEADS[name](f, c)
    f.anchor("neck", 0, 22, 1)
    f.anchor("hand", 20, 48, 1)
    return f


def side(name: str, c: Coat, pose: str, rng: Random) -> Figure:
    """The animal from the side, feet at y = 100."""
    f = Figure(outline=darker(c.dark if name in ("zebra", "cow") else c.main, 0.62))
    SIDES[name](f, c, pose, rng)
    return f
