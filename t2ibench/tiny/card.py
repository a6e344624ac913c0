"""`python -m t2ibench.tiny.card`: measures the bundled models and writes the figures of their card.

Measured is what the pipeline uses: the exported weights through the project's own engines, on scenes with seeds that
training never saw, and on the generated images of the last `dvc repro`, if there are any. `card.json` and the table
in README.md hold figures that another run on this machine repeats; times are printed only.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2ibench.errors import ConfigError, one_sentence
from t2ibench.harness import config, executor
from t2ibench.pictures import read_picture
from t2ibench.records import Sample, read_rows, write_bytes, write_json
from t2ibench.tiny.scenes import CLASSES, draw_scene

HERE = Path(__file__).parent
FRESH, SURREAL = 20_000_000, 21_000_000  # first seeds; training has seeds below 10,000,000
BEGIN, END = "<!-- figures: python -m t2ibench.tiny.card -->", "<!-- end of figures -->"
SIZE = 64  # pixels, of a drawn scene

Image = NDArray[np.uint8]
Judge = Callable[[Sequence[Image]], list[str]]


def fresh_scenes(count: int, style: str, first: int) -> tuple[list[Image], list[str]]:
    """`count` scenes of the ten classes in turn, and their classes."""
    names = [CLASSES[number % len(CLASSES)] for number in range(count)]
    return [draw_scene(first + number, name, style, SIZE).image for number, name in enumerate(names)], names


def engine_of(stage: str, name: str) -> Any:
    """An engine with the settings of params.yaml: what the card measures is what the pipeline runs."""
    params = config.load()
    if params.models.name != "tiny":
        raise ConfigError("models.name", params.models.name, "tiny: the card is of the bundled models")
    return config.build(getattr(params, stage)[name], f"{stage}.{name}", params)


def answers(engine: Any, images: Sequence[Image]) -> list[Any]:
    """The engine's answers, in the pipeline's own batches. images: of one size."""
    return [answer for _, answer in executor.run(engine, images, lambda image: image, lambda count: None)]


def judges() -> dict[str, Judge]:
    """`detector` and `clip`: images -> the class that each names first, or `none`."""
    yolo, clip = engine_of("evaluate", "yolov8"), engine_of("filter", "clip")
    return {
        "detector": lambda images: [seen.predicted for seen in answers(yolo, images)],
        "clip": lambda images: [max(one, key=one.__getitem__) for one in answers(clip, images)],
    }


def shares(named: Sequence[str], true: Sequence[str]) -> dict[str, Any]:
    """Number of images, the mean of the classes' shares that are right, the least of them, and each of them."""
    counts = {name: sum(one == name for one in true) for name in CLASSES}
    right = {name: sum(a == b == name for a, b in zip(named, true, strict=True)) for name in CLASSES}
    each = {name: right[name] / counts[name] for name in CLASSES if counts[name]}
    return {
        "n": len(true),
        "mean": round(sum(each.values()) / len(each), 4),
        "least": round(min(each.values()), 4),
        "per_class": {name: round(value, 4) for name, value in each.items()},
    }


def decibels(made: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Mean over images of the PSNR of images in [0, 255]."""
    error = np.square(made - wanted).mean(axis=(1, 2, 3)).clip(1e-6)
    return float((10.0 * np.log10(255.0**2 / error)).mean())


def vae_decibels(images: Sequence[Image]) -> float:
    """PSNR of scenes after the generator's autoencoder, rounded to 256 levels."""
    import torch
    from diffusers import AutoencoderKL

    from t2ibench.weights import locate

    model: Any = AutoencoderKL.from_pretrained(locate("tiny://sd").path / "vae", torch_dtype=torch.float32).eval()
    made = []
    with torch.inference_mode():
        for begin in range(0, len(images), 50):
            pixels = torch.from_numpy(np.stack(images[begin : begin + 50])).permute(0, 3, 1, 2) / 127.5 - 1.0
            back = model.decode(model.encode(pixels).latent_dist.mode()).sample.clamp(-1, 1)
            made.append(((back + 1.0) * 127.5).round().permute(0, 2, 3, 1).double().numpy())
    return decibels(np.concatenate(made), np.stack(images).astype(np.float64))


def deblur_decibels(images: Sequence[Image]) -> dict[str, float]:
    """PSNR of blurred scenes before and after the restorer, and of sharp scenes after it."""
    from t2ibench.tiny.recipe.restormer import blur_scenes

    sharp = np.stack(images)
    soft = (blur_scenes(sharp, FRESH) * 255.0).round().permute(0, 2, 3, 1).numpy().astype(np.uint8)
    engine = engine_of("deblur", "restormer")
    restored = np.stack(answers(engine, list(soft))).astype(np.float64)
    kept = np.stack(answers(engine, images)).astype(np.float64)
    wanted = sharp.astype(np.float64)
    before, after = decibels(soft.astype(np.float64), wanted), decibels(restored, wanted)
    return {
        "blurred": round(before, 2),
        "restored": round(after, 2),
        "gain": round(after - before, 2),
        "sharp": round(decibels(kept, wanted), 2),
    }


def mask_overlap(count: int) -> float:
    """Mean overlap (IoU) of the segmenter's mask of its surest box with the best fitting thing, on fresh scenes."""
    import torch
    from safetensors.torch import load_file

    from t2ibench.tiny.recipe import data, seg, yolo
    from t2ibench.weights import locate

    states = [load_file(next(locate(f"tiny://{name}").path.glob("*.safetensors"))) for name in ("yolo", "yolo-seg")]
    detector, masks = yolo.build().eval(), seg.Masks().eval()
    detector.load_state_dict(states[0])
    masks.load_state_dict(states[1])
    detector.model[-1].training = True  # type: ignore[union-attr, index, operator]
    drawn = [draw_scene(FRESH + n, CLASSES[n % len(CLASSES)], "plain", SIZE) for n in range(count)]
    things = [(owner, thing) for owner, scene in enumerate(drawn) for thing in scene.things]
    scenes = data.Scenes(
        images=np.stack([scene.image for scene in drawn]),
        classes=np.arange(count) % len(CLASSES),
        styles=np.array(["plain"] * count),
        captions=[list(scene.captions) for scene in drawn],
        thing_scene=np.array([owner for owner, _ in things]),
        thing_name=np.array([thing.name for _, thing in things]),
        thing_box=np.array([thing.box for _, thing in things], np.float32),
        thing_mask=np.stack([np.packbits(thing.mask.reshape(-1)) for _, thing in things]),
    )
    with torch.inference_mode():
        return seg.mean_overlap(detector, masks, scenes)


def on_scenes(count: int) -> dict[str, Any]:
    """The figures on fresh scenes."""
    found: dict[str, Any] = {}
    plain, surreal = fresh_scenes(count, "plain", FRESH), fresh_scenes(count // 2, "surreal", SURREAL)
    for name, judge in judges().items():
        found[name] = {
            "plain": shares(judge(plain[0]), plain[1]),
            "surreal": shares(judge(surreal[0]), surreal[1]),
        }
    few = plain[0][: count // 5]
    found["vae"] = {"decibels": round(vae_decibels(few), 2), "n": len(few)}
    found["restormer"] = {**deblur_decibels(few), "n": len(few)}
    found["masks"] = {"overlap": round(mask_overlap(len(few)), 3), "n": len(few)}
    return found


def on_images(root: Path) -> dict[str, Any]:
    """The judges on every generated image of each source below `root`, before any filter."""
    found: dict[str, Any] = {}
    for table in sorted(root.glob("*/metadata.jsonl")):
        samples = read_rows(table, Sample, "dvc repro images")
        if not samples:
            continue
        images = [read_picture(table.parent / sample.file_name, "dvc repro images") for sample in samples]
        true = [sample.class_name for sample in samples]
        found[table.parent.name] = {name: shares(judge(images), true) for name, judge in judges().items()}
    return found


def sampling_seconds(batches: int) -> list[float]:
    """Seconds an image, one value for each of the pipeline's batches after a first one that warms up."""
    engine = engine_of("images", "sd")
    taken = []
    for number in range(batches + 1):
        pairs = [(f"a photo of a {CLASSES[n % len(CLASSES)]}", number * 100 + n) for n in range(engine.batch_size)]
        began = time.perf_counter()
        engine.draw(pairs)
        taken.append((time.perf_counter() - began) / len(pairs))
    return taken[1:]


def percent(value: float) -> str:
    """`98.1 %`."""
    return f"{100.0 * value:.1f} %"


def lines(card: dict[str, Any]) -> list[str]:
    """The table of figures against goals."""
    scenes, rows = card["scenes"], ["| what | measured | goal |", "|---|---|---|"]
    for name, title, goal in (
        ("detector", "detector, surest box is right", "96 %, no class under 90 %"),
        ("clip", "CLIP, own class first", "92 %, no class under 80 %"),
    ):
        for style, wanted in (("plain", goal), ("surreal", "none")):
            one = scenes[name][style]
            worst = min(one["per_class"], key=one["per_class"].__getitem__)
            least = f"{percent(one['least'])} ({worst})"
            rows.append(f"| {title}, {one['n']} {style} scenes | {percent(one['mean'])}, least {least} | {wanted} |")
    restorer = scenes["restormer"]
    rows += [
        f"| autoencoder, {scenes['vae']['n']} scenes back from latents | {scenes['vae']['decibels']} dB | 30 dB |",
        f"| Restormer, {restorer['n']} blurred scenes | {restorer['blurred']} to {restorer['restored']} dB,"
        f" {restorer['gain']:+} dB | +3 dB |",
        f"| Restormer, the same scenes sharp | come back with {restorer['sharp']} dB | none |",
        f"| masks of YOLOv8n-seg | overlap {scenes['masks']['overlap']} (mean IoU) | none |",
    ]
    for source, one in card["sources"].items():
        standin = source.startswith("dalle3")
        goal = "5 points under sd" if standin else "85 %, no class under 70 %"
        for name, title, wanted in (
            ("detector", "detector", goal),
            ("clip", "passes CLIP", "none" if standin else "80 to 98 %"),
        ):
            found = one[name]
            worst = min(found["per_class"], key=found["per_class"].__getitem__)
            rows.append(
                f"| {source}, {found['n']} generated images, unfiltered: {title} | {percent(found['mean'])},"
                f" least {percent(found['least'])} ({worst}) | {wanted} |"
            )
    return rows


def put_table(path: Path, rows: list[str]) -> None:
    """Replace what stands between the two markers of the card's text."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    write_bytes(path, f"{before}{BEGIN}\n{chr(10).join(rows)}\n{END}{after}".encode())


def main() -> None:
    """Measure and write; a user's error is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m t2ibench.tiny.card", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="fresh plain scenes; a multiple of 100")
    parser.add_argument("--images", type=Path, default=Path("data/images"), help="folder of the generated images")
    parser.add_argument("--batches", type=int, default=4, help="batches to time the sampling on")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of card.json and README.md")
    given = parser.parse_args()
    with one_sentence():
        card = {"first_seeds": {"plain": FRESH, "surreal": SURREAL}, "scenes": on_scenes(given.count)}
        card["sources"] = on_images(given.images)
        taken = sampling_seconds(given.batches)
    rows = lines(card)
    write_json(given.out / "card.json", card)
    put_table(given.out / "README.md", rows)
    print("\n".join(rows))
    print(f"\nsampling, as params.yaml has it: {min(taken):.3f} to {max(taken):.3f} s an")
    print("image on this machine now, with all its cores (goal: 0.15 s on two idle ones)")
    if not card["sources"]:
        print(f"{given.images} holds no generated images: run dvc repro first for the sources' figures")


if __name__ == "__main__":
    main()
