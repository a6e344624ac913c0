"""Figures made of polygons, drawn with Pillow at four times the final size.

A figure is a list of layers. Each layer is drawn outline first, then fill, then the patterns that
are clipped to the layer's skin. A second image holds, for each pixel, which thing it belongs to, so
that the visible masks come from the very same polygons.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

Point = tuple[float, float]
Points = Sequence[Point]
Color = tuple[int, int, int]
SUPER = 4
PROP_ID = 200
INK: Color = (24, 20, 26)
WHITE: Color = (250, 250, 248)


def mix(a: Color, b: Color, t: float) -> Color:
    """Blend two colours: `a` at t = 0, `b` at t = 1."""
    return (
        round(a[0] + (b[0] - a[0]) * t),
        round(a[1] + (b[1] - a[1]) * t),
        round(a[2] + (b[2] - a[2]) * t),
    )


def darker(a: Color, t: float = 0.3) -> Color:
    """Blend a colour towards a dark brown-black."""
    return mix(a, (22, 16, 20), t)


_CIRCLE = [(math.cos(2 * math.pi * i / 22), math.sin(2 * math.pi * i / 22)) for i in range(22)]


def oval(cx: float, cy: float, rx: float, ry: float, degrees: float = 0.0) -> list[Point]:
    """An ellipse as a polygon, turned by `degrees` clockwise on screen."""
    if not degrees:
        return [(cx + rx * c, cy + ry * s) for c, s in _CIRCLE]
    co, si = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [
        (cx + rx * c * co - ry * s * si, cy + rx * c * si + ry * s * co) for c, s in _CIRCLE
    ]


def limb(chain: Sequence[tuple[float, float, float]]) -> list[Point]:
    """A tapered tube with round ends through the circles (x, y, radius) of `chain`."""
    left: list[Point] = []
    right: list[Point] = []
    n = len(chain)
    angle = 0.0
    for i, (x, y, r) in enumerate(chain):
        a, b = chain[max(i - 1, 0)], chain[min(i + 1, n - 1)]
        angle = math.atan2(b[1] - a[1], b[0] - a[0])
        if i == 0:
            for k in range(1, 5):
                t = angle + math.pi / 2 + math.pi * k / 5
                left.append((x + r * math.cos(t), y + r * math.sin(t)))
        nx, ny = -math.sin(angle) * r, math.cos(angle) * r
        left.append((x - nx, y - ny))
        right.append((x + nx, y + ny))
    x, y, r = chain[-1]
    for k in range(1, 5):
        t = angle - math.pi / 2 + math.pi * k / 5
        left.append((x + r * math.cos(t), y + r * math.sin(t)))
    return left + right[::-1]


def smooth(points: Points, steps: int = 4) -> list[Point]:
    """A closed Catmull-Rom curve through `points`."""
    out: list[Point] = []
    n = len(points)
    for i in range(n):
        p0, p1, p2, p3 = (points[(i + k - 1) % n] for k in range(4))
        for s in range(steps):
            t = s / steps
            w = (
                -0.5 * t + t * t - 0.5 * t**3,
                1 - 2.5 * t * t + 1.5 * t**3,
                0.5 * t + 2 * t * t - 1.5 * t**3,
                -0.5 * t * t + 0.5 * t**3,
            )
            out.append(
                (
                    w[0] * p0[0] + w[1] * p1[0] + w[2] * p2[0] + w[3] * p3[0],
                    w[0] * p0[1] + w[1] * p1[1] + w[2] * p2[1] + w[3] * p3[1],
                )
            )
    return out


def box(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
    """A rectangle as a polygon."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


@dataclass
class Shape:
    """One polygon: `kind` is "skin" (outlined), "mark", "clip" (inside the skin) or "prop"."""

    points: list[Point]
    color: Color
    kind: str


@dataclass
class Figure:
    """A drawing in its own units, y down; later layers hide earlier ones."""

    outline: Color = INK
    layers: list[list[Shape]] = field(default_factory=lambda: [[]])
    anchors: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    _frames: list[tuple[float, float, float, float]] = field(
        default_factory=lambda: [(0.0, 0.0, 1.0, 0.0)]
    )

    def push(self, x: float, y: float, scale: float = 1.0, degrees: float = 0.0) -> None:
        """Draw what follows around (x, y), scaled and turned, until `pop`."""
        ox, oy = self._map((x, y))
        f = self._frames[-1]
        self._frames.append((ox, oy, f[2] * scale, f[3] + degrees))

    def pop(self) -> None:
        """End the last `push`."""
        self._frames.pop()

    def _map(self, p: Point) -> Point:
        ox, oy, k, deg = self._frames[-1]
        if not deg:
            return ox + k * p[0], oy + k * p[1]
        co, si = math.cos(math.radians(deg)), math.sin(math.radians(deg))
        return ox + k * (p[0] * co - p[1] * si), oy + k * (p[0] * si + p[1] * co)

    def layer(self) -> None:
        """Start a new layer."""
        self.layers.append([])

    def add(self, points: Points, color: Color, kind: str = "skin") -> None:
        """Add a polygon to the current layer."""
        self.layers[-1].append(Shape([self._map(p) for p in points], color, kind))

    def mark(self, points: Points, color: Color) -> None:
        """Add a polygon without outline: an eye, a nose, a whisker."""
        self.add(points, color, "mark")

    def clip(self, points: Points, color: Color) -> None:
        """Add a piece of pattern, drawn only inside the layer's skin."""
        self.add(points, color, "clip")

    def prop(self, points: Points, color: Color) -> None:
        """Add a piece of clothing or an object, which hides the animal."""
        self.add(points, color, "prop")

    def anchor(self, name: str, x: float, y: float, scale: float = 1.0) -> None:
        """Remember a place (hat, eyes, neck, hand) and the size of what belongs there."""
        px, py = self._map((x, y))
        self.anchors[name] = (px, py, scale * self._frames[-1][2])

    def bounds(self, props: bool = False) -> tuple[float, float, float, float]:
        """The bounding box of the figure's own shapes (with `props`, of all)."""
        kinds = ("skin", "mark", "prop") if props else ("skin", "mark")
        pts = [p for la in self.layers for s in la if s.kind in kinds for p in s.points]
        xs, ys = [p[0] for p in pts], [p[1] for p in pts]
        return min(xs), min(ys), max(xs), max(ys)


class Canvas:
    """An RGB image and a map of thing numbers, both SUPER times the final size."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.big = size * SUPER
        self.image = Image.new("RGB", (self.big, self.big))
        self.ids = Image.new("L", (self.big, self.big), 0)

    def place(
        self, fig: Figure, x: float, y: float, scale: float, flip: bool = False, number: int = 0
    ) -> None:
        """Draw `fig` with its origin at (x, y) of a frame that is 100 wide and 100 high."""
        u = self.big / 100.0
        sx, sy = (-scale if flip else scale) * u, scale * u
        x, y = x * u, y * u
        width = max(2, round(self.big / 120))
        for shapes in fig.layers:
            done = [
                (s, [(round(x + sx * p[0]), round(y + sy * p[1])) for p in s.points])
                for s in shapes
            ]
            self._layer(done, fig.outline, width, number)

    def _layer(
        self,
        done: list[tuple[Shape, list[tuple[int, int]]]],
        outline: Color,
        width: int,
        number: int,
    ) -> None:
        d, m = ImageDraw.Draw(self.image), ImageDraw.Draw(self.ids)
        for s, pts in done:
            if s.kind == "skin" or (s.kind == "prop" and number):
                edge = outline if s.kind == "skin" else darker(s.color, 0.45)
                loop = [*pts, pts[0], pts[1]]
                owner = number if s.kind == "skin" else PROP_ID
                d.line(loop, fill=edge, width=width)
                m.line(loop, fill=owner, width=width)
                m.polygon(pts, fill=owner)
        clips = [(s, pts) for s, pts in done if s.kind == "clip"]
        for s, pts in done:
            if s.kind == "skin":
                d.polygon(pts, fill=s.color)
        if clips:
            self._clipped(done, clips)
        for s, pts in done:
            if s.kind in ("mark", "prop"):
                d.polygon(pts, fill=s.color)
                m.polygon(pts, fill=number if s.kind == "mark" else PROP_ID)

    def _clipped(
        self,
        done: list[tuple[Shape, list[tuple[int, int]]]],
        clips: list[tuple[Shape, list[tuple[int, int]]]],
    ) -> None:
        stencil = Image.new("L", self.image.size, 0)
        sd = ImageDraw.Draw(stencil)
        for s, pts in done:
            if s.kind == "skin":
                sd.polygon(pts, fill=255)
        over = self.image.copy()
        od = ImageDraw.Draw(over)
        for s, pts in clips:
            od.polygon(pts, fill=s.color)
        self.image.paste(over, (0, 0), stencil)
