"""Whole animals seen from the side, facing right, feet at y = 100, about 100 units wide."""

from collections.abc import Callable
from random import Random

from t2ibench.tiny.scenes.draw import INK, WHITE, Color, Figure, darker, limb, mix, oval, smooth
from t2ibench.tiny.scenes.heads import HEADS, PINK, Coat


def legs(
    f: Figure,
    xs: tuple[float, float],
    top: float,
    radii: tuple[float, float],
    color: Color,
    foot: Color,
    pose: str,
    far: bool = False,
) -> None:
    """A hind leg and a fore leg; folded under the body when lying."""
    r0, r1 = radii
    if pose == "lie":
        if not far:
            for x in xs:
                f.add(limb([(x - 2, top + r0, r0), (x + 14, top + r0 * 1.5, r1 * 1.1)]), color)
        return
    shift = 7 if far else 0
    for i, x in enumerate(xs):
        swing = 0.0
        if pose == "walk":
            swing = 7.0 if (i == 0) != far else -6.0
        x0, x1 = x + shift, x + shift + swing
        f.add(limb([(x0, top, r0), ((x0 + x1) / 2, (top + 100) / 2, r1 * 1.15), (x1, 98 - r1, r1)]),
              color)
        f.add(limb([(x1 - 0.5, 98 - r1 * 0.4, r1), (x1 + 1.5, 98 - r1 * 0.4, r1)]), foot)


def long_head(f: Figure, c: Coat, x: float, y: float, k: float, turn: float) -> None:
    """A horse-like head in profile, muzzle to the right."""
    f.push(x, y, k, turn)
    f.add([(-9, -4), (-8, -20), (0, -8)], c.main)
    f.add(limb([(-3, 0, 9), (8, 2, 7.5), (21, 4, 5.8)]), c.main)
    if c.pattern == "stripes":
        for across in (-9, -1, 7, 14):
            f.clip(limb([(across, -12, 1.7), (across + 3, 14, 1.7)]), c.dark)
    muzzle = c.dark if c.pattern == "stripes" else mix(c.main, (70, 55, 60), 0.5)
    f.clip(oval(24, 4, 6.5, 9), muzzle)
    f.mark(oval(1, -2, 3.1, 3.1), WHITE)
    f.mark(oval(1.4, -2, 2.2, 2.4), INK)
    f.mark(oval(24, 2, 1.3, 1.6), INK if c.pattern != "stripes" else (140, 130, 130))
    f.anchor("hat", -3, -9, 0.7)
    f.anchor("eyes", 2, -2, 0.6)
    f.pop()


def horse(f: Figure, c: Coat, pose: str, rng: Random) -> None:
    """Horse and zebra: a slim body on long legs, a mane, an arched neck."""
    striped = c.pattern == "stripes"
    far, foot = mix(c.main, INK, 0.25), darker(c.main, 0.7)
    low = pose == "graze"
    legs(f, (22, 57), 62, (6, 3.2), far, foot, pose, far=True)
    f.layer()
    f.add(limb([(14, 46, 3.5), (6, 56, 5), (5, 74, 3)]), c.dark)
    f.layer()
    legs(f, (20, 55), 62, (7.5, 3.4), c.main, foot, pose)
    neck = [(58, 48, 13), (74, 58, 8.5), (84, 70, 7)] if low else [
        (58, 48, 13), (68, 32, 9.5), (76, 18, 8)]
    f.add(limb(neck), c.main)
    f.add(limb([(22, 50, 14), (40, 53, 13.5), (58, 50, 14.5)]), c.main)
    if striped:
        for x in (14, 23, 32, 41, 50, 59):
            f.clip(limb([(x - 2, 34, 2.3), (x + 1, 52, 2.1), (x, 70, 1.0)]), c.dark)
        for y in (74, 83, 92):
            f.clip(limb([(0, y, 1.7), (75, y + 1, 1.7)]), c.dark)
        for t in (0.3, 0.55, 0.8):
            a, b = neck[0], neck[2]
            nx, ny = a[0] + (b[0] - a[0]) * t + 2, a[1] + (b[1] - a[1]) * t
            d = -10.0 if low else 10.0
            f.clip(limb([(nx - 12, ny - d, 2.1), (nx + 12, ny + d, 2.1)]), c.dark)
    f.layer()
    mane = [(52, 36, 3), (70, 45, 4), (84, 60, 3.5)] if low else [
        (53, 38, 3), (60, 25, 4.5), (70, 10, 4)]
    f.add(limb(mane), c.dark)
    f.layer()
    if low:
        long_head(f, c, 86, 74, 0.95, 62)
    else:
        long_head(f, c, 78, 16, 0.95, 30)
    f.anchor("neck", *((72, 56) if low else (69, 32)), 1)
    del rng


def giraffe(f: Figure, c: Coat, pose: str, rng: Random) -> None:
    """A very long neck, horns with knobs, patches."""
    far, foot = mix(c.main, INK, 0.22), darker(c.dark, 0.5)
    legs(f, (22, 48), 66, (4.5, 2.6), far, foot, pose, far=True)
    f.layer()
    f.add(limb([(16, 54, 1.5), (11, 66, 1.5), (10, 74, 3)]), c.dark)
    f.layer()
    legs(f, (20, 46), 66, (5.5, 2.8), c.main, foot, pose)
    neck = [(46, 54, 11.5), (56, 20, 8), (64, -14, 6.5)]
    f.add(limb(neck), c.main)
    f.add(limb([(23, 60, 10.5), (36, 58, 11), (47, 56, 12)]), c.main)
    spots = [(17, 56, 5.5), (29, 53, 6), (23, 66, 5), (36, 64, 5.5), (42, 52, 6), (50, 61, 5),
             (47, 40, 4.7), (55, 31, 4.3), (51, 22, 4), (60, 13, 3.9), (55, 6, 3.5), (62, -4, 3.3),
             (21, 78, 3), (47, 77, 3)]
    for x, y, r in spots:
        w = r * rng.uniform(0.9, 1.1)
        f.clip([(x - w, y - r * 0.6), (x + w * 0.4, y - r), (x + w, y + r * 0.3), (x, y + r),
                (x - w * 0.8, y + r * 0.7)], c.dark)
    f.layer()
    f.push(66, -17, 1.0, 22)
    for s in (-5, 1):
        f.add(limb([(s, -6, 1.8), (s - 2, -17, 1.8)]), c.main)
        f.add(oval(s - 2, -18, 3, 2.8), c.dark)
    f.add(oval(-11, -6, 7, 3, 20), c.main)
    f.add(limb([(-3, 0, 8.5), (8, 2, 7), (18, 4, 5.8)]), c.main)
    f.clip(oval(22, 5, 7, 8), c.light)
    f.clip(oval(-6, 4, 3.5, 3.5), c.dark)
    f.mark(oval(3, -2.5, 2.7, 2.9), INK)
    f.mark(oval(3.6, -3.3, 1, 1), WHITE)
    f.mark(oval(21, 2.5, 1.2, 1.4), INK)
    f.anchor("hat", -1, -9, 0.7)
    f.anchor("eyes", 3, -2, 0.55)
    f.pop()
    f.anchor("neck", 53, 28, 0.75)


def front_head(f: Figure, name: str, c: Coat, x: float, y: float, k: float) -> None:
    """The frontal head of a class on a body seen from the side."""
    f.layer()
    f.push(x, y, k)
    HEADS[name](f, c)
    f.pop()


def cow(f: Figure, c: Coat, pose: str, rng: Random) -> None:
    """A boxy white body with large patches and an udder."""
    far, foot = mix(c.main, INK, 0.22), darker(c.main, 0.72)
    legs(f, (20, 56), 70, (6, 4), far, foot, pose, far=True)
    f.add(limb([(11, 46, 1.8), (6, 60, 1.6), (6, 72, 3.2)]), c.dark)
    if pose != "lie":
        f.add(oval(33, 75, 8, 6), PINK)
    f.layer()
    legs(f, (18, 54), 70, (7.5, 4.4), c.main, foot, pose)
    f.add(smooth([(10, 42), (35, 43), (64, 40), (75, 52), (70, 70), (50, 75), (25, 75), (10, 68)]),
          c.main)
    for x, y, r in ((18, 48, 11), (42, 60, 12), (64, 46, 10), (52, 88, 5)):
        a, b = rng.uniform(-4, 4), rng.uniform(-4, 4)
        f.clip(smooth([(x - r + a, y), (x, y - r), (x + r, y + b), (x + a, y + r * 0.9)]), c.dark)
    low = pose == "graze"
    front_head(f, "cow", c, 80, 68 if low else 42, 0.82)
    f.anchor("neck", 78, (88 if low else 62), 1)


def sheep(f: Figure, c: Coat, pose: str, rng: Random) -> None:
    """A cloud of wool on thin dark legs."""
    far = darker(c.dark, 0.3)
    legs(f, (28, 55), 76, (4, 3.2), far, far, pose, far=True)
    f.layer()
    legs(f, (24, 51), 76, (4, 3.4), c.dark, c.dark, pose)
    f.layer()
    puffs = [(18, 56, 11), (24, 44, 11), (38, 39, 12), (53, 41, 12), (64, 50, 11), (64, 64, 11),
             (53, 73, 11), (38, 75, 11), (24, 70, 11), (42, 57, 20), (11, 60, 5)]
    for x, y, r in puffs:
        f.add(oval(x, y, r + rng.uniform(-0.6, 0.6), r), c.main)
    f.clip(oval(42, 84, 38, 14), c.light)
    low = pose == "graze"
    front_head(f, "sheep", c, 72, 68 if low else 46, 0.85)
    f.anchor("neck", 70, (84 if low else 64), 0.9)


def elephant(f: Figure, c: Coat, pose: str, rng: Random) -> None:
    """A huge grey body on pillar legs; the trunk hangs or is lifted."""
    far = darker(c.main, 0.25)
    nails = mix(c.main, WHITE, 0.55)
    legs(f, (20, 52), 70, (9, 7.5), far, far, pose, far=True)
    f.add(limb([(6, 44, 2), (1, 58, 1.6), (2, 68, 2.6)]), c.dark)
    f.layer()
    legs(f, (17, 50), 70, (10.5, 8), c.main, c.main, pose)
    f.add(smooth([(6, 44), (20, 30), (45, 29), (66, 36), (70, 60), (55, 76), (25, 77), (8, 66)]),
          c.main)
    if pose != "lie":
        for x in (13, 18, 46, 51):
            f.mark(oval(x + (6 if pose == "walk" and x < 30 else 0) -
                        (5 if pose == "walk" and x > 30 else 0), 97.5, 2, 2), nails)
    f.layer()
    up = pose == "walk" or rng.random() < 0.3
    trunk = [(84, 44, 8), (98, 50, 6), (106, 38, 4.8), (104, 22, 4)] if up else [
        (84, 44, 8), (94, 58, 6.5), (96, 76, 5), (103, 87, 4)]
    f.add(limb(trunk), c.main)
    f.add(oval(76, 36, 16, 17), c.main)
    f.mark(oval(84, 32, 3, 3), WHITE)
    f.mark(oval(84.6, 32, 2.2, 2.4), INK)
    f.add(limb([(84, 53, 2.8), (93, 62, 2.2), (101, 62, 1.1)]), WHITE)
    f.layer()
    f.add(smooth([(72, 20), (58, 17), (50, 34), (54, 56), (65, 60), (73, 44)]), c.main)
    f.mark(smooth([(69, 25), (60, 23), (55, 35), (58, 51), (64, 53), (69, 41)]),
           mix(c.light, PINK, 0.45))
    f.anchor("hat", 77, 20, 1)
    f.anchor("eyes", 82, 32, 0.6)
    f.anchor("neck", 66, 62, 1)


def bear(f: Figure, c: Coat, pose: str, rng: Random) -> None:
    """A bulky body with a shoulder hump, on fours."""
    far = darker(c.main, 0.3)
    legs(f, (22, 54), 72, (9, 7), far, far, pose, far=True)
    f.layer()
    legs(f, (18, 52), 70, (11, 7.5), c.main, darker(c.main, 0.2), pose)
    f.add(oval(6, 50, 4.5, 4.5), c.main)
    f.add(smooth([(6, 54), (18, 38), (40, 36), (60, 30), (74, 42), (72, 66), (50, 78), (22, 78),
                  (8, 68)]), c.main)
    f.clip(oval(38, 82, 30, 9), c.dark)
    front_head(f, "bear", c, 76, 46, 0.92)
    f.anchor("neck", 74, 65, 1)
    del rng


def dog(f: Figure, c: Coat, pose: str, rng: Random) -> None:
    """A lean body, wagging tail, long snout in profile or the face to the front."""
    far = darker(c.main, 0.25)
    legs(f, (20, 50), 66, (5.5, 3.6), far, far, pose, far=True)
    f.add(limb([(14, 52, 3.6), (4, 42, 3.2), (0, 28, 2.2)]), c.main)
    f.layer()
    legs(f, (18, 48), 66, (7, 4), c.main, c.light, pose)
    f.add(limb([(22, 60, 11), (36, 60, 11), (54, 57, 13.5)]), c.main)
    f.add(limb([(54, 54, 12), (66, 38, 10)]), c.main)
    if c.pattern == "spots":
        for x, y, r in ((18, 56, 4), (30, 64, 4.5), (38, 53, 4), (50, 62, 4.5), (58, 48, 4),
                        (20, 78, 3), (48, 80, 3), (3, 40, 3)):
            f.clip(oval(x, y, r, r), c.dark)
    else:
        f.clip(oval(60, 64, 7, 9), c.light)
    f.clip(limb([(52, 45, 2.4), (76, 53, 2.4)]), rng.choice(((220, 40, 50), (40, 90, 220))))
    if rng.random() < 0.45:
        front_head(f, "dog", c, 70, 34, 0.95)
    else:
        _dog_profile(f, c)
    f.anchor("neck", 64, 49, 0.8)


def _dog_profile(f: Figure, c: Coat) -> None:
    f.layer()
    f.add(limb([(88, 41, 3), (89, 50, 3.2)]), (232, 70, 90))
    f.layer()
    f.add(limb([(72, 29, 14), (86, 35, 8.5), (97, 36, 6.5)]), c.main)
    f.clip(oval(96, 38, 11, 6), c.light)
    f.mark(oval(101, 31.5, 4.2, 3.6), INK)
    f.mark(limb([(101, 40, 0.8), (86, 42, 0.8)]), INK)
    f.mark(oval(80, 25, 3.3, 3.3), WHITE)
    f.mark(oval(80.6, 25, 2.4, 2.6), INK)
    f.layer()
    f.add(limb([(67, 21, 5), (60, 32, 7), (60, 44, 5.5)]), c.dark)
    f.anchor("hat", 73, 16, 0.8)
    f.anchor("eyes", 80, 25, 0.6)


def cat(f: Figure, c: Coat, pose: str, rng: Random) -> None:
    """A low body, the tail up in a hook, the face to the front."""
    far = darker(c.main, 0.25)
    legs(f, (24, 54), 72, (5, 3.4), far, far, pose, far=True)
    f.add(limb([(16, 60, 4.2), (6, 48, 4.2), (6, 30, 4), (14, 19, 3.4)]), c.main)
    f.layer()
    legs(f, (21, 51), 72, (6.5, 3.8), c.main, c.light, pose)
    f.add(limb([(24, 66, 11.5), (40, 67, 11), (58, 64, 12)]), c.main)
    if c.pattern == "tabby":
        for x in (18, 28, 38, 48):
            f.clip(limb([(x, 52, 2.2), (x + 1, 70, 1.2)]), c.dark)
        for y in (84, 92):
            f.clip(limb([(10, y, 1.3), (62, y, 1.3)]), c.dark)
    front_head(f, "cat", c, 70, 46, 0.98)
    f.anchor("neck", 68, 64, 0.8)
    del rng


def bird(f: Figure, c: Coat, pose: str, rng: Random) -> None:
    """A plump songbird, perched or flying with lifted wings."""
    flying = pose == "fly"
    beak: Color = (250, 165, 30)
    if flying:
        f.add(smooth([(44, 52), (30, 24), (42, 4), (58, 22), (64, 46)]), c.dark)
        f.layer()
    else:
        for x in (46, 55):
            f.add(limb([(x, 80, 1.4), (x, 98, 1.4)]), (225, 140, 30))
            f.add(limb([(x - 3, 98.5, 1.3), (x + 6, 98.5, 1.3)]), (225, 140, 30))
        f.layer()
    f.add([(30, 62), (2, 62), (-4, 74), (6, 80), (34, 76)], c.dark)
    f.layer()
    f.add([(88, 38), (108, 44), (88, 51)], beak)
    f.layer()
    f.add(smooth([(26, 66), (42, 50), (62, 44), (80, 56), (74, 78), (54, 86), (36, 82)]), c.main)
    f.add(oval(75, 42, 17, 16), c.main)
    f.clip(oval(70, 76, 20, 16), c.light)
    f.mark(oval(80, 38, 4.4, 4.4), WHITE)
    f.mark(oval(81, 38, 3.1, 3.3), INK)
    f.layer()
    if flying:
        f.add(smooth([(62, 58), (34, 40), (10, 12), (34, 8), (56, 28), (68, 48)]), c.dark)
        f.mark(limb([(56, 46, 1), (30, 20, 1)]), c.main)
    else:
        f.add(smooth([(62, 56), (44, 56), (22, 70), (34, 78), (54, 76)]), c.dark)
        f.mark(limb([(54, 68, 1), (36, 72, 1)]), c.main)
    f.anchor("hat", 74, 29, 0.8)
    f.anchor("eyes", 80, 38, 0.6)
    f.anchor("neck", 72, 57, 0.9)
    del rng


SIDES: dict[str, Callable[[Figure, Coat, str, Random], None]] = {
    "cat": cat,
    "dog": dog,
    "horse": horse,
    "bird": bird,
    "zebra": horse,
    "sheep": sheep,
    "cow": cow,
    "elephant": elephant,
    "bear": bear,
    "giraffe": giraffe,
}
