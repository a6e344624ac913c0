"""Puts a scene together: what stands where, in which coat, pose, place and light."""

import math
from random import Random

from t2ibench.tiny.scenes import animals, props
from t2ibench.tiny.scenes.captions import Facts
from t2ibench.tiny.scenes.draw import Canvas, Color, Figure, mix, oval
from t2ibench.tiny.scenes.heads import Coat
from t2ibench.tiny.scenes.places import LIGHTS, PLACES, Place, light_colors, paint

Part = tuple[Figure, float, float, float, bool, int]
_WEIGHT = {"grass": 4.0, "farm": 1.0, "sky": 0.35, "moon": 0.0, "wall": 0.7, "bedroom": 0.8,
           "beach": 1.5, "living room": 1.5, "kitchen": 1.3, "street": 1.3, "lake": 1.5}


def _far(a: Color, b: Color) -> float:
    red, green, blue = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return math.sqrt(2 * red * red + 4 * green * green + 2 * blue * blue) / 2.83


def _choose_place(coat: Coat, light: str, style: str, free: bool, rng: Random) -> Place:
    """A place whose wall and ground differ from the coat; with `free`, also sky and moon."""
    weights = []
    for p in PLACES:
        w = _WEIGHT.get(p.name, 1.0)
        if p.name == "sky":
            w = 1.2 if free else 0.0
        if p.name == "moon":
            w = 2.5 if style == "surreal" and free else 0.0
        sky, ground = light_colors(p, light)
        gap = min(_far(coat.main, mix(*sky, 0.6)), _far(coat.main, mix(*ground, 0.4)))
        if gap < 62:
            w *= 0.004 if gap < 45 else 0.1
        weights.append(w)
    return rng.choices(PLACES, weights)[0]


def _shadow(f: Figure, ground: Color, x: float, y: float, rx: float) -> None:
    f.mark(oval(x, y, rx, rx * 0.13 + 1), mix(ground, (20, 20, 40), 0.3))


def _coat(name: str, style: str, k: Facts, rng: Random) -> Coat:
    coat = rng.choice(animals.COATS[name])
    k.colors = coat.words
    if name != "person" and (style == "surreal" and rng.random() < 0.5):
        coat = animals.odd_coat(coat, *rng.choice(animals.ODD))
        k.colors, k.must_color = coat.words, True
    elif name == "person":
        k.colors = ()
    return coat


def _kind(name: str, style: str, rng: Random) -> str:
    if name == "person":
        return "human" if rng.random() < 0.75 else "close"
    roll = rng.random()
    if style == "surreal":
        return "human" if roll < 0.72 else "close" if roll < 0.88 else "body"
    return "close" if roll < 0.27 else "human" if roll < 0.43 else "body"


def compose(name: str, style: str, size: int, rng: Random) -> tuple[Canvas, Facts, list[str]]:
    """Draw a scene; gives the canvas, the facts for captions, the things by number."""
    canvas = Canvas(size)
    k = Facts(name, style)
    light = rng.choices(("day", "sunset", "night"), (76, 15, 9))[0]
    coat = Coat((128, 0, 128), (0, 0, 0), (0, 0, 0))
    if name != "nothing":
        coat = _coat(name, style, k, rng)
    kind = _kind(name, style, rng) if name != "nothing" else "nothing"
    pose = rng.choice(animals.POSES.get(name, ("stand",)))
    floating = style == "surreal" and kind == "human" and rng.random() < 0.12
    free = floating or (style == "surreal" and kind != "body") or (
        kind == "body" and pose == "fly")
    place = _choose_place(coat, light, style, free, rng)
    k.place, k.place_noun = place.phrases, place.name
    k.light, k.must_light = LIGHTS[light], light != "day"
    paint(canvas, place, light, rng)
    ground = light_colors(place, light)[1]
    if kind == "nothing":
        _object(canvas, place, k, 50, 88, 1.2, rng)
        return canvas, k, []
    if kind == "close":
        _close(canvas, name, coat, style, k, rng)
        return canvas, k, [name]
    if kind == "human":
        _human(canvas, name, coat, style, k, floating, ground[1], rng)
        return canvas, k, [name]
    return canvas, k, _body(canvas, name, coat, pose, place, ground[1], style, k, rng)


def _object(canvas: Canvas, place: Place, k: Facts, x: float, y: float, scale: float,
            rng: Random, small: bool = False) -> None:
    names: tuple[str, ...] = props.INDOOR if place.indoor else props.OUTDOOR
    if small:
        names = tuple(n for n in names if n in props.SMALL)
    f, said = props.make_object(rng.choice(names), rng)
    canvas.place(f, x, y, scale, rng.random() < 0.5)
    k.objects.append(said)


def _dress(f: Figure, chance: float, k: Facts, rng: Random) -> None:
    if rng.random() < chance:
        k.acts.append(props.wear(f, rng.choice(props.WEAR), rng))


def _close(canvas: Canvas, name: str, coat: Coat, style: str, k: Facts, rng: Random) -> None:
    """A head close-up with shoulders that leave the frame below."""
    f = animals.closeup(name, coat)
    k.pose, k.close = "close", True
    _dress(f, 0.85 if style == "surreal" else 0.16, k, rng)
    if style == "surreal" and rng.random() < 0.35:
        k.acts.append(props.hold(f, rng.choice(("cup", "balloon", "flower", "ice cream")), rng))
    top = f.bounds(props=True)[1]
    wide = 34.0 if name == "elephant" else 27.0
    scale = rng.uniform(0.82, 1.0) * min(46 / wide, 92 / (34 - top), 1.75)
    y = max(50 - 2 * scale + rng.uniform(-3, 5), 4 - top * scale)
    canvas.place(f, 50 + rng.uniform(-7, 7), y, scale, rng.random() < 0.5, 1)


def _human(canvas: Canvas, name: str, coat: Coat, style: str, k: Facts, floating: bool,
           ground: Color, rng: Random) -> None:
    """An animal (or a person) upright, dressed, holding or riding something."""
    surreal = style == "surreal"
    rides = rng.random() < (0.4 if surreal else 0.25) and not floating
    thing = rng.choice(props.RIDE) if rides else ""
    shirt = rng.choice(props.BRIGHT)[1] if rng.random() < (0.4 if surreal else 0.3) else None
    f = animals.upright(name, coat, rng, legs=thing not in ("table", "car"), shirt=shirt)
    k.pose = "float" if floating else "sit" if thing in ("table", "car") else "upright"
    if thing:
        k.acts.append(props.ride(f, thing, rng))
    if not thing or (thing != "car" and rng.random() < 0.3):
        item = "balloon" if floating else rng.choice(props.HOLD)
        if surreal or rng.random() < 0.8:
            k.acts.append(props.hold(f, item, rng))
            if item == "pan" and rng.random() < 0.7:
                k.acts.append(props.wear(f, "chef's hat", rng))
    if len(k.acts) < 2:
        _dress(f, 0.75 if surreal else 0.6, k, rng)
    x0, y0, x1, y1 = f.bounds(props=True)
    bx0, _, bx1, _ = f.bounds()
    scale = min(rng.uniform(86, 94 if not floating else 88) / (y1 - y0), 98 / (x1 - x0), 1.25)
    bottom = 96.0 if not floating else 90.0
    x = 50 + rng.uniform(-5, 5) - scale * (0.6 * (x0 + x1) + 0.4 * (bx0 + bx1)) / 2
    y = bottom - scale * y1
    if not floating:
        s = Figure()
        _shadow(s, ground, x, bottom, scale * 26)
        canvas.place(s, 0, 0, 1)
    flip = rng.random() < 0.5
    canvas.place(f, 100 - x if flip else x, y, scale, flip, 1)


def _body(canvas: Canvas, name: str, coat: Coat, pose: str, place: Place, ground: Color,
          style: str, k: Facts, rng: Random) -> list[str]:
    """One to three whole animals, objects, sometimes a person beside."""
    k.count = rng.choices((1, 2, 3), (88, 9, 3))[0]
    k.pose = pose
    feet = {1: rng.uniform(86, 94), 2: 90.0, 3: 90.0}[k.count]
    if pose == "fly":
        feet = rng.uniform(72, 88)
    if place.name == "sky":
        feet = 84
    if rng.random() < 0.28 and place.name != "sky":
        side = rng.choice((16, 84))
        _object(canvas, place, k, side, max(place.horizon + 8, feet - 14), 0.9, rng)
    names: list[str] = []
    with_person = k.count == 1 and rng.random() < 0.12 and place.name != "sky"
    if with_person:
        looks = rng.choice(animals.COATS["person"])
        p = animals.upright("person", looks, rng)
        canvas.place(p, 16, feet - 75 * 0.72, 0.72, False, 1)
        names.append("person")
        k.objects.append(("next to a person", "with a man", "with a woman standing beside",
                          "near a person"))
    slots = {1: ((50.0, 1.0),), 2: ((29.0, 0.66), (71.0, 0.66)),
             3: ((21.0, 0.46), (79.0, 0.46), (50.0, 0.54))}[k.count]
    same = rng.random() < 0.6
    for cx, share in slots:
        if with_person:
            cx, share = 63.0, 0.78
        c = coat if same or style == "surreal" else rng.choice(
            [o for o in animals.COATS[name] if _far(o.main, coat.main) < 90])
        f = animals.sitting(name, c, rng) if pose == "sit" else animals.side(name, c, pose, rng)
        if k.count == 1:
            _dress(f, 0.7 if style == "surreal" else 0.08, k, rng)
        names.append(name)
        _stand(canvas, f, cx, feet, share, pose, ground, len(names), rng)
    if k.count == 1 and rng.random() < 0.1 and place.name != "sky" and pose != "fly":
        _object(canvas, place, k, rng.choice((14, 86)), 97, 1.0, rng, small=True)
    return names


def _stand(canvas: Canvas, f: Figure, cx: float, feet: float, share: float, pose: str,
           ground: Color, number: int, rng: Random) -> None:
    x0, y0, x1, y1 = f.bounds()
    scale = share * rng.uniform(0.86, 1.0) * min(86 / (x1 - x0), 84 / (y1 - y0))
    top = f.bounds(props=True)[1]
    scale = min(scale, (feet - 3) / (y1 - top))
    flip = rng.random() < 0.5
    x = cx + (rng.uniform(-4, 4) if share > 0.9 else 0)
    if pose != "fly":
        s = Figure()
        _shadow(s, ground, x, feet - 1, scale * (x1 - x0) * 0.42)
        canvas.place(s, 0, 0, 1)
    offset = scale * (x0 + x1) / 2
    canvas.place(f, x + offset if flip else x - offset, feet - scale * y1, scale, flip, number)
