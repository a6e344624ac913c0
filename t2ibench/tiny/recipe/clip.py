"""The ranker: an open_clip CLIP of a small ResNet and a two-layer text transformer, trained from scratch.

Two contrastive losses are added. Half of each batch is matched with its captions, both ways (Radford et al. 2021);
identical captions share the target. All of it is matched with the texts "a photo of a <class>", where all images of a
class are positives for its text: that is the question the filter asks.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from t2ibench.tiny.recipe import augment, common, data, loop, tokenizer
from t2ibench.tiny.recipe.common import Options

BATCH = 128
RATE = 2e-3
TEMPLATE = "a photo of a {}"
SMOOTHING = 0.05
MOST_SCALE = math.log(100.0)
MEAN = STD = (0.5, 0.5, 0.5)
TEMPLATED = 11  # the ten classes and `person`; a scene of nothing has captions only


def config() -> dict[str, Any]:
    """The content of open_clip_config.json. The tokenizer lies in the same folder."""
    return {
        "model_cfg": {
            "embed_dim": 128,
            "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "head_width": 64},
            "text_cfg": {
                "context_length": tokenizer.LENGTH, "vocab_size": tokenizer.VOCABULARY, "width": 96, "heads": 4,
                "layers": 2, "hf_tokenizer_name": "local",
            },
        },
        "preprocess_cfg": {"mean": list(MEAN), "std": list(STD), "interpolation": "bicubic", "resize_mode": "squash"},
    }


def build() -> nn.Module:
    """A fresh CLIP; its image tower trains fastest with channels last."""
    from open_clip import CLIP

    model: Any = CLIP(**config()["model_cfg"])
    model.visual.to(memory_format=torch.channels_last)
    return model  # type: ignore[no-any-return]


def embed_texts(model: Any, tokens: Tensor) -> Tensor:
    """Unit features [N, 128] of token ids [N, L]. Columns in which all texts are padded are left out.

    Attention looks backwards only and the features are taken at the end of the text, so they do not change.
    """
    length = int((tokens != 0).sum(dim=1).max())
    tokens = tokens[:, :length]
    states = model.token_embedding(tokens) + model.positional_embedding[:length]
    states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask[:length, :length]))
    ends = states[torch.arange(len(tokens)), tokens.argmax(dim=1)]
    return functional.normalize((ends @ model.text_projection).float(), dim=-1)


def embed_images(model: Any, pixels: Tensor) -> Tensor:
    """Unit features [N, 128] of images float32 [N, 3, 64, 64] in [0, 1]."""
    pixels = (pixels * 2.0 - 1.0).contiguous(memory_format=torch.channels_last)
    return functional.normalize(model.encode_image(pixels).float(), dim=-1)


def caption_loss(images: Tensor, texts: Tensor, same: Tensor, scale: Tensor) -> Tensor:
    """Symmetric contrastive loss; same [N, N] bool: which texts are identical, the diagonal among them."""
    logits = scale * images @ texts.T
    target = same.float() / same.sum(dim=1, keepdim=True)
    return 0.5 * (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target))


class Texts:
    """Captions and templates as token ids."""

    def __init__(self, options: Options, scenes: data.Scenes) -> None:
        self.words = tokenizer.read(options.out / "tokenizer")
        self.captions, self.classes = scenes.captions, torch.from_numpy(scenes.classes)
        names = data.class_names()[:TEMPLATED]
        self.templates = self.encode([TEMPLATE.format(name) for name in names])

    def encode(self, texts: list[str]) -> Tensor:
        """Token ids int64 [N, 48]."""
        return torch.from_numpy(tokenizer.encode(self.words, texts).astype(np.int64))

    def draw(self, chosen: NDArray[np.int64], mirrored: NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
        """One caption of each chosen scene, of the mirror image where it was mirrored."""
        texts = []
        for scene, flip in zip(chosen, mirrored, strict=True):
            text = self.captions[scene][rng.integers(len(self.captions[scene]))]
            texts.append(data.mirrored_caption(text) if flip else text)
        return self.encode(texts)


def zero_shot(model: nn.Module, texts: Texts, scenes: data.Scenes) -> dict[str, float]:
    """Share of scenes of each of the ten classes whose own text has the largest cosine."""
    names = data.class_names()[:10]
    wanted = embed_texts(model, texts.templates[:10])
    found = [
        (embed_images(model, augment.unit(scenes.images[begin : begin + 100])) @ wanted.T).argmax(dim=1)
        for begin in range(0, len(scenes.images), 100)
    ]
    right = torch.cat(found).numpy() == scenes.classes
    return {name: float(right[scenes.classes == index].mean()) for index, name in enumerate(names)}


def train(options: Options) -> None:
    """Train until the budget is spent."""
    common.start(options)
    scenes = data.load(options)
    plain, surreal = data.load(options, "plain"), data.load(options, "surreal")
    images, texts, model = augment.scenes_as_seen(options, scenes.images), Texts(options, scenes), build()

    def loss_of(step: int, chosen: NDArray[np.int64]) -> Tensor:
        rng = np.random.default_rng([options.seed, 3, step])
        pixels, rows = augment.place(augment.unit(images[chosen]), rng, (0.85, 1.35), 0.1, 0.6)
        pixels = augment.blur_some(augment.recolour(pixels, rng), rng)
        half = len(chosen) // 2
        tokens = texts.draw(chosen[:half], rows[:half, 0] < 0, rng)
        with common.half(loop.CPU):
            seen = embed_images(model, pixels)
        read = embed_texts(model, torch.cat([texts.templates, tokens]))  # faster in float32: the matrices are small
        scale = model.logit_scale.clamp(max=MOST_SCALE).exp()  # type: ignore[operator]
        classes = texts.classes[chosen]
        named = classes < TEMPLATED
        ranking = functional.cross_entropy(
            (scale * seen @ read[:TEMPLATED].T)[named], classes[named], label_smoothing=SMOOTHING
        )
        same = (tokens[:, None] == tokens[None]).all(dim=2)
        return ranking + 0.5 * caption_loss(seen[:half], read[TEMPLATED:], same, scale)

    def report() -> str:
        names = data.class_names()[:10]
        hard = zero_shot(model, texts, surreal)
        line = loop.table(names, zero_shot(model, texts, plain))
        return f"zero-shot on held-out scenes {line}; surreal {sum(hard.values()) / 10:.3f}"

    loop.fit(options, "clip", model, len(images), loss_of, report, batch=BATCH, rate=RATE, decay=0.05)


def load(options: Options) -> nn.Module:
    """The trained CLIP with averaged weights."""
    return loop.restore(options, "clip", build())
