"""Captions of a scene: in the manner of COCO, of long prompts, and short ones."""

from dataclasses import dataclass, field
from random import Random

from t2ibench.tiny.scenes.phrases import UNSEEN

PLURAL = {"sheep": "sheep", "person": "people"}
COUNT = {2: ("two", "a couple of", "a pair of"), 3: ("three", "a group of", "several")}
VERBS: dict[str, tuple[str, ...]] = {
    "stand": ("standing", "standing", "posing", "looking around"),
    "walk": ("walking", "walking", "strolling", "moving"),
    "graze": ("grazing", "eating grass", "eating", "feeding"),
    "lie": ("lying down", "lying", "laying down", "resting", "sleeping"),
    "sit": ("sitting", "sitting down", "seated", "sitting up"),
    "perch": ("standing", "perched", "sitting"),
    "fly": ("flying", "flying", "with its wings open"),
    "upright": ("standing", "standing upright", "standing on two legs", "posing"),
    "float": ("floating", "floating in the air", "flying"),
    "close": ("looking at the camera", "staring at the camera", "facing the camera"),
}
MEDIUM = ("photorealistic", "realistic", "highly detailed", "beautiful", "cute", "cinematic",
          "professional", "funny", "vivid")
QUALITY = ("highly detailed", "4k", "sharp focus", "high quality", "professional photography",
           "shallow depth of field", "cinematic lighting", "vibrant colors", "8k resolution")
STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "plain": ("a photo of", "a picture of", "an image of", "a photograph of"),
    "surreal": ("a surreal picture of", "a whimsical image of", "a dreamlike painting of",
                "a digital art of", "a funny photo of"),
    "sketch": ("a pencil sketch of", "a drawing of", "a line drawing of", "a black and white "
               "sketch of"),
    "poster": ("a poster of", "a flat illustration of", "a screen print of", "a graphic poster of"),
    "night": ("a dark photo of", "a night photo of", "a spotlight on", "a low light picture of"),
}


@dataclass
class Facts:
    """What the scene shows, in words."""

    name: str
    style: str
    count: int = 1
    pose: str = "stand"
    colors: tuple[str, ...] = ()
    must_color: bool = False
    big: bool = True
    close: bool = False
    place: tuple[str, ...] = ("outside",)
    place_noun: str = ""
    light: tuple[str, ...] = ()
    must_light: bool = False
    acts: list[tuple[str, ...]] = field(default_factory=list)
    objects: list[tuple[str, ...]] = field(default_factory=list)


def article(words: str) -> str:
    """Put "a" or "an" before a phrase."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def _subject(k: Facts, rng: Random, color: float = 0.6) -> str:
    words = []
    sizes = ("big", "large") if k.big else ("small", "little")
    if rng.random() < 0.22 and not k.close:
        words.append(rng.choice(sizes))
    if k.colors and ((k.must_color and rng.random() < 0.85) or rng.random() < color):
        words.append(rng.choice(k.colors))
    if k.count > 1:
        noun = PLURAL.get(k.name, k.name + "s")
        return " ".join([rng.choice(COUNT[k.count]), *words, noun])
    noun = k.name
    if rng.random() < 0.05 and not words:
        return "the " + noun
    return article(" ".join([*words, noun]))


def _doing(k: Facts, rng: Random, most: int = 2) -> str:
    acts = [rng.choice(a) for a in k.acts if a]
    rng.shuffle(acts)
    acts = acts[:most]
    if not acts or (not any("ing " in a for a in acts) and rng.random() < 0.5):
        acts.insert(0, rng.choice(VERBS[k.pose]))
    return " ".join(acts[:1]) if len(acts) == 1 else " and ".join(acts[:2]) if all(
        "ing " in a for a in acts[:2]) else " ".join(acts[:2])


def _coco(k: Facts, rng: Random) -> str:
    if k.name == "nothing":
        text = rng.choice(("an empty scene", "a view", "nothing but an empty place")) + " "
        text += rng.choice(k.place)
    elif k.close and rng.random() < 0.6:
        face = rng.choice(("'s face", "'s head", ""))
        subject = _subject(k, rng)
        text = rng.choice(("a close up of ", "a close-up of ", "a closeup view of ")) + (
            subject + face)
        acts = [a for a in k.acts if a]
        if acts:
            text += " " + rng.choice(rng.choice(acts))
        if rng.random() < 0.4:
            text += " " + rng.choice(k.place)
    else:
        verb = "is " if k.count == 1 and rng.random() < 0.12 else ""
        text = f"{_subject(k, rng)} {verb}{_doing(k, rng)} {rng.choice(k.place)}"
    if k.objects and rng.random() < 0.75:
        text += " " + rng.choice(rng.choice(k.objects))
    if k.light and rng.random() < (0.8 if k.must_light else 0.12):
        text += " " + rng.choice(k.light)
    if rng.random() < 0.7:
        text = text[0].upper() + text[1:] + ("." if rng.random() < 0.8 else "")
    return text


def _prompt(k: Facts, rng: Random) -> str:
    if k.name == "nothing":
        return f"a {rng.choice(MEDIUM)} view, {rng.choice(k.place)}, {rng.choice(QUALITY)}"
    subject = _subject(k, rng, 0.7)
    for lead in ("a ", "an ", "the "):
        if subject.startswith(lead) and k.count == 1:
            bare = subject[len(lead):]
            subject = article(f"{rng.choice(MEDIUM)} {bare}")
            break
    text = f"{subject} {_doing(k, rng)} {rng.choice(k.place)}"
    if k.objects and rng.random() < 0.5:
        text += " " + rng.choice(rng.choice(k.objects))
    if rng.random() < 0.35:
        text = f"{rng.choice(STYLE_WORDS[k.style])} {text}"
    if k.light:
        text += ", " + rng.choice(k.light)
    if rng.random() < 0.6:
        text += ", " + rng.choice(QUALITY)
    return text[0].upper() + text[1:] if rng.random() < 0.6 else text


def _short(k: Facts, rng: Random) -> str:
    if k.name == "nothing":
        return rng.choice((k.place_noun, f"an empty {k.place_noun}", f"the {k.place_noun}"))
    noun = k.name if k.count == 1 else PLURAL.get(k.name, k.name + "s")
    subject = _subject(k, rng)
    return rng.choice((
        noun, subject, f"{subject} {rng.choice(k.place)}", f"{subject} {_doing(k, rng, 1)}",
        f"{rng.choice(STYLE_WORDS[k.style])} {subject}", f"{noun} {rng.choice(k.place)}",
        f"{rng.choice(STYLE_WORDS[k.style])} {subject} {rng.choice(k.place)}",
    ))


def _unseen(k: Facts, rng: Random) -> str:
    extra = rng.choice(UNSEEN)
    if k.name == "nothing":
        return f"{rng.choice(k.place)}, {extra}"
    if rng.random() < 0.5:
        text = f"{_subject(k, rng)} {extra}"
        if rng.random() < 0.4:
            text += " " + rng.choice(k.place)
    else:
        text = f"{_subject(k, rng)} {_doing(k, rng, 1)} {rng.choice(k.place)} {extra}"
    return text[0].upper() + text[1:] + "." if rng.random() < 0.6 else text


def write_captions(k: Facts, rng: Random) -> tuple[str, ...]:
    """Six different captions; the last is "a photo of a {class}"."""
    last = f"a photo of {article(k.name)}"
    if k.name == "nothing":
        last = f"a photo of {article(k.place_noun)}"
    out: list[str] = []
    for make in (_coco, _coco, _prompt, _short, _unseen):
        text = make(k, rng)
        for _ in range(8):
            if text not in out and text != last:
                break
            text = make(k, rng)
        while text in out or text == last:
            text += rng.choice((" ", ", ")) + rng.choice(QUALITY)
        out.append(text)
    return (*out, last)
