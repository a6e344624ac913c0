"""A small byte-level BPE tokenizer in CLIP's form, shared by the generators and by CLIP.

The padding token is id 0 and the end of text has the largest id, because open_clip pads with 0 and
takes the text's features where the id is largest. Every byte has a token with and without the
end-of-word mark, so no text is unknown.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from t2ibench.tiny.recipe.common import Options
from t2ibench.tiny.recipe.data import load

LENGTH = 48
VOCABULARY = 4096
PAD, BEGIN, END = "<|pad|>", "<|startoftext|>", "<|endoftext|>"


def learn_merges(texts: list[str], count: int) -> list[tuple[str, str]]:
    """Learn up to `count` BPE merges from lower-cased texts, in CLIP's own word splitting."""
    from tokenizers import pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    backend = CLIPTokenizer().backend_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=512 + count, min_frequency=2, end_of_word_suffix="</w>", show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    backend.train_from_iterator(texts, trainer)
    model = json.loads(backend.to_str())["model"]
    return [(pair[0], pair[1]) for pair in model["merges"]][:count]


def build(texts: list[str]) -> Any:
    """Return a CLIPTokenizer of at most VOCABULARY tokens learnt from `texts`."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = learn_merges(texts, VOCABULARY - 2 * len(letters) - 3)
    words = [PAD, *letters, *(f"{letter}</w>" for letter in letters)]
    words += [first + second for first, second in merges]
    words = [*dict.fromkeys(words), BEGIN, END]
    return CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=merges,
        pad_token=PAD, model_max_length=LENGTH,
    )


def corpus(options: Options) -> list[str]:
    """The distinct captions of the training scenes, and those of an optional COCO captions file."""
    texts = {text.lower() for captions in load(options).captions for text in captions}
    if options.captions is not None:
        rows = json.loads(options.captions.read_text(encoding="utf-8"))["annotations"]
        texts |= {str(row["caption"]).strip().lower() for row in rows}
    return sorted(texts)


def train(options: Options) -> None:
    """Learn the tokenizer and save it."""
    texts = corpus(options)
    tokenizer = build(texts)
    folder = options.folder("tokenizer")
    tokenizer.save_pretrained(str(folder))
    lengths = [len(ids) for ids in tokenizer(texts[:: max(len(texts) // 5000, 1)])["input_ids"]]
    print(
        f"tokenizer: {len(tokenizer)} tokens from {len(texts)} captions; tokens a caption:"
        f" median {int(np.median(lengths))}, largest {max(lengths)} of {LENGTH}",
        flush=True,
    )


def read(folder: Path) -> Any:
    """Load the saved tokenizer."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(folder))


def encode(tokenizer: Any, texts: list[str]) -> NDArray[np.int16]:
    """Token ids int16 [N, 48], begun, ended, padded and cut."""
    ids: NDArray[np.int16] = np.zeros((len(texts), LENGTH), np.int16)
    distinct = sorted(set(texts))
    rows = {text: row for row, text in enumerate(distinct)}
    encoded = tokenizer(
        distinct, max_length=LENGTH, padding="max_length", truncation=True, return_tensors="np"
    )["input_ids"].astype(np.int16)
    ids[:] = encoded[[rows[text] for text in texts]]
    return ids
