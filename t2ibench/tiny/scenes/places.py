"""Backgrounds: two soft gradients and a few large shapes, with the phrases that name them."""

from dataclasses import dataclass
from random import Random

from PIL import Image

from t2ibench.tiny.scenes.draw import (
    Canvas,
    Color,
    Figure,
    box,
    darker,
    limb,
    mix,
    oval,
    smooth,
)


@dataclass(frozen=True)
class Place:
    """A kind of background: gradient colours, horizon (0 to 100, downwards), caption phrases."""

    name: str
    sky: tuple[Color, Color]
    ground: tuple[Color, Color]
    horizon: float
    indoor: bool
    phrases: tuple[str, ...]


_BLUE: tuple[Color, Color] = ((96, 172, 240), (200, 230, 250))
PLACES: tuple[Place, ...] = (
    Place("grass", _BLUE, ((136, 196, 88), (82, 152, 60)), 52, False,
          ("in a grassy field", "in the grass", "on a green field", "in a lush meadow",
           "in a green pasture", "on a grass covered field")),
    Place("farm", _BLUE, ((150, 196, 90), (96, 152, 60)), 56, False,
          ("on a farm", "in front of a red barn", "in a pasture near a barn", "in a farm yard")),
    Place("beach", ((110, 190, 240), (206, 234, 246)), ((246, 224, 168), (228, 196, 132)), 62,
          False, ("on the beach", "on a sandy beach", "by the ocean", "at the beach near the sea",
                  "on the sand by the water")),
    Place("snow", ((128, 176, 226), (196, 220, 242)), ((238, 244, 252), (208, 222, 240)), 56,
          False, ("in the snow", "on a snowy field", "in a snow covered field", "in winter snow")),
    Place("forest", ((116, 176, 130), (164, 208, 150)), ((98, 142, 76), (62, 104, 52)), 60, False,
          ("in a forest", "in the woods", "among the trees", "near some trees in the forest")),
    Place("desert", ((120, 196, 240), (250, 230, 190)), ((236, 190, 120), (206, 150, 84)), 58,
          False, ("in the desert", "on dry sand", "on a dirt field", "in a sandy desert")),
    Place("savanna", ((150, 206, 240), (246, 236, 200)), ((222, 190, 96), (186, 148, 66)), 58,
          False, ("on the savanna", "in dry grass", "on a dry grassy plain",
           "in tall yellow grass")),
    Place("street", ((150, 192, 230), (214, 226, 236)), ((142, 144, 152), (104, 106, 116)), 64,
          False, ("on a city street", "on the street", "on the road", "in the city",
                  "on the side of a road", "in front of some buildings")),
    Place("lake", ((116, 186, 240), (212, 234, 246)), ((128, 184, 84), (86, 148, 60)), 70, False,
          ("near a lake", "by the water", "next to a river", "beside a lake", "near the water")),
    Place("mountains", ((110, 178, 240), (214, 232, 246)), ((126, 184, 96), (84, 140, 66)), 62,
          False, ("in the mountains", "in front of mountains", "with mountains in the background",
                  "on a mountain meadow")),
    Place("living room", ((236, 214, 184), (226, 198, 164)), ((172, 120, 78), (142, 94, 60)), 68,
          True, ("in a living room", "on the floor of a living room", "inside a cozy room",
                 "in a room in a house", "on a rug in a living room")),
    Place("kitchen", ((176, 218, 214), (196, 230, 224)), ((206, 190, 170), (180, 160, 140)), 70,
          True, ("in a kitchen", "in a modern kitchen", "on the kitchen floor",
                 "inside a bright kitchen")),
    Place("bedroom", ((178, 186, 226), (198, 204, 236)), ((150, 110, 90), (122, 86, 70)), 70,
          True, ("in a bedroom", "next to a bed", "in a bedroom with a bed")),
    Place("wall", ((206, 150, 132), (220, 170, 150)), ((150, 150, 158), (120, 120, 130)), 74,
          False, ("in front of a brick wall", "near a wall", "against a plain wall")),
    Place("sky", ((82, 160, 240), (190, 224, 250)), ((190, 224, 250), (214, 236, 252)), 90, False,
          ("in the sky", "against a blue sky", "in the clouds", "high in the sky")),
    Place("moon", ((16, 16, 44), (40, 36, 84)), ((176, 176, 186), (136, 136, 150)), 62, False,
          ("on the moon", "in outer space", "on the surface of the moon")),
)
LIGHTS: dict[str, tuple[str, ...]] = {
    "day": ("in bright daylight", "on a sunny day", "in soft natural light", "in the sun",
            "in the morning light"),
    "sunset": ("at sunset", "in golden evening light", "at dusk", "in soft evening light",
               "at golden hour"),
    "night": ("at night", "in the moonlight", "under the night sky", "in the dark"),
}

_WALLS: tuple[Color, ...] = ((190, 120, 96), (160, 160, 176), (214, 190, 150), (120, 142, 170))


def light_colors(place: Place, light: str) -> tuple[tuple[Color, Color], tuple[Color, Color]]:
    """The sky (or wall) and ground gradients of a place in a light."""
    sky, ground = place.sky, place.ground
    if place.name == "moon":
        return sky, ground
    if light == "sunset":
        s: tuple[Color, Color] = ((238, 128, 92), (254, 212, 130))
        if place.indoor or place.name == "wall":
            s = (mix(sky[0], (240, 160, 90), 0.35), mix(sky[1], (250, 190, 110), 0.35))
        return s, (mix(ground[0], (236, 140, 70), 0.28), mix(ground[1], (150, 70, 50), 0.28))
    if light == "night":
        navy: Color = (26, 30, 74)
        t = 0.5 if place.indoor else 0.8
        return (mix(sky[0], navy, t), mix(sky[1], (56, 62, 120), t)), (
            mix(ground[0], navy, 0.52), mix(ground[1], navy, 0.58))
    return sky, ground


def paint(canvas: Canvas, place: Place, light: str, rng: Random) -> None:
    """Fill the canvas with the place."""
    sky, ground = light_colors(place, light)
    n = canvas.big
    h = round(n * place.horizon / 100)
    column = Image.new("RGB", (1, n))
    column.putdata([mix(sky[0], sky[1], y / h) for y in range(h)]
                   + [mix(ground[0], ground[1], (y - h) / (n - h)) for y in range(h, n)])
    canvas.image.paste(column.resize((n, n)), (0, 0))
    f = Figure()
    _features(f, place, sky, ground, light, rng)
    canvas.place(f, 0, 0, 1)


def _features(f: Figure, place: Place, sky: tuple[Color, Color], ground: tuple[Color, Color],
              light: str, rng: Random) -> None:
    dim = {"day": 0.0, "sunset": 0.15, "night": 0.5}[light]

    def tone(c: Color) -> Color:
        return mix(c, (40, 30, 70), dim)

    h, name = place.horizon, place.name
    x = rng.uniform(5, 95)
    if not place.indoor and name not in ("wall", "forest", "moon"):
        if light == "night":
            f.mark(oval(12 if x > 50 else 88, 12, 6, 6), (246, 240, 206))
        elif light == "sunset":
            f.mark(oval(x, h - 6, 9, 9), (255, 236, 160))
        else:
            for cx in ((x, (x + 50) % 100) if name != "sky" else (x, (x + 30) % 100, x / 2)):
                y = rng.uniform(8, 24) if name != "sky" else rng.uniform(8, 92)
                for dx, r in ((-7, 3.6), (0, 5), (7, 3.6)):
                    f.mark(oval(cx + dx, y, r * 1.6, r), mix(sky[1], (255, 255, 255), 0.7))
    if name in ("grass", "farm", "savanna", "desert"):
        far = mix(ground[0], sky[1], 0.35)
        f.mark(oval(x, h + 8, 55, 16), far)
        f.mark(box(0, h, 100, h + 30), ground[0])
        f.mark(box(0, h + 18, 100, 100), mix(ground[0], ground[1], 0.5))
    if name == "farm":
        bx = 14 if x < 50 else 74
        f.mark([(bx - 3, 36), (bx + 8, 24), (bx + 19, 36), (bx + 19, h + 2), (bx - 3, h + 2)],
               tone((196, 58, 50)))
        f.mark(box(bx + 4, 42, bx + 12, h + 2), tone((246, 236, 226)))
    elif name in ("beach", "lake"):
        sea = mix(tone((52, 142, 206)), sky[1], 0.15)
        f.mark(box(0, h - (16 if name == "beach" else 20), 100, h + 1), sea)
        if name == "lake":
            f.mark(oval(x, h - 20, 40, 7), tone((92, 148, 96)))
            f.mark(box(0, h - 19.5, 100, h), sea)
        f.mark(limb([(0, h, 1.2), (100, h, 1.2)]), mix(sea, (255, 255, 255), 0.7))
    elif name in ("snow", "mountains"):
        tall = 40 if name == "mountains" else 24
        rock = mix(tone((126, 136, 166)), sky[1], 0.25)
        for cx, k in ((x - 55, 1.0), (x + 45, 0.9), (x, 0.72)):
            f.mark([(cx - 38 * k, h), (cx, h - tall * k), (cx + 38 * k, h)], rock)
            f.mark([(cx - 11 * k, h - tall * k * 0.7), (cx, h - tall * k),
                    (cx + 11 * k, h - tall * k * 0.7)], mix(sky[1], (255, 255, 255), 0.6))
        f.mark(box(0, h - 0.5, 100, h + 4), ground[0])
    elif name == "forest":
        for i in range(6):
            cx = (x + i * 17) % 106 - 3
            f.mark(box(cx - 3, 0, cx + 3, h + 4), tone((122, 86, 58) if i % 2 else (102, 72, 50)))
        for i in range(5):
            f.mark(oval(i * 25, 2, 17, 11), mix(tone((66, 138, 70)), sky[0], 0.2))
    elif name == "street":
        for i in range(4):
            cx, top = i * 25, rng.uniform(14, 34)
            c = tone(rng.choice(_WALLS))
            f.mark(box(cx, top, cx + 24, h), mix(c, sky[1], 0.25))
            for wy in range(int(top) + 6, int(h) - 8, 13):
                for wx in (cx + 5, cx + 14):
                    f.mark(box(wx, wy, wx + 5, wy + 6),
                           (250, 222, 130) if light == "night" else mix(c, (235, 244, 250), 0.75))
        for i in range(3):
            f.mark(box(6 + 36 * i, 84, 24 + 36 * i, 87), mix(ground[1], (255, 255, 255), 0.7))
    elif name == "living room":
        _window(f, 12 if x < 50 else 66, light)
        f.mark(box(0, h, 100, h + 2.5), darker(ground[0], 0.2))
        sx = 56 if x < 50 else 2
        sofa = tone(rng.choice(((86, 132, 150), (176, 84, 76), (120, 142, 96))))
        f.mark(smooth([(sx, 52), (sx + 40, 52), (sx + 42, 76), (sx - 2, 76)]), sofa)
        f.mark(box(sx + 2, 65, sx + 38, 76), mix(sofa, (255, 255, 255), 0.18))
        f.mark(oval(50, 90, 40, 8), tone((206, 120, 96)))
    elif name == "kitchen":
        wood, white = tone((206, 160, 110)), tone((244, 244, 240))
        f.mark(box(0, 8, 34, 30), wood)
        f.mark(box(66, 8, 100, 30), wood)
        for cx in (0, 17, 66, 83):
            f.mark(box(cx + 2, 10, cx + 15, 28), mix(wood, (255, 255, 255), 0.25))
        f.mark(box(0, 50, 100, 54), tone((110, 100, 100)))
        f.mark(box(0, 54, 100, h), white)
        for cx in (24, 49, 74):
            f.mark(box(cx, 54, cx + 1, h), darker(white, 0.2))
        f.mark(box(42, 40, 56, 50), tone((190, 60, 56)))
    elif name == "bedroom":
        _window(f, 10 if x < 50 else 68, light)
        bx = 50 if x < 50 else 0
        f.mark(box(bx, 50, bx + 50, 82), tone((150, 96, 60)))
        f.mark(box(bx, 58, bx + 50, 76), tone((240, 240, 246)))
        f.mark(box(bx, 62, bx + 32, 78), tone((86, 120, 190)))
    elif name == "wall":
        for row in range(0, int(h), 12):
            f.mark(box(0, row, 100, row + 1), mix(sky[0], (255, 240, 230), 0.35))
            for cx in range(0 if row % 24 else 14, 100, 28):
                f.mark(box(cx, row, cx + 1, row + 12), mix(sky[0], (255, 240, 230), 0.35))
    elif name == "moon":
        for i in range(9):
            f.mark(oval((x * (i + 3) * 1.7) % 100, (i * 23 + x) % 56, 0.9, 0.9), (250, 246, 210))
        f.mark(oval(84 if x < 50 else 16, 18, 10, 10), (70, 140, 220))
        f.mark(oval(82 if x < 50 else 14, 16, 5, 4), (96, 180, 110))
        for cx, cy in ((16, 78), (70, 70), (86, 90)):
            f.mark(oval(cx, cy, 9, 3.6), darker(ground[1], 0.16))


def _window(f: Figure, x: float, light: str) -> None:
    glass: dict[str, Color] = {"day": (170, 216, 246), "sunset": (252, 186, 110),
                               "night": (40, 48, 104)}
    f.mark(box(x, 14, x + 24, 40), (250, 248, 242) if light != "night" else (150, 146, 160))
    for dx, dy in ((2, 2), (13, 2), (2, 14), (13, 14)):
        f.mark(box(x + dx, 14 + dy, x + dx + 9, 24 + dy), glass[light])

