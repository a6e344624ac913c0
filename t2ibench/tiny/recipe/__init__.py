"""The recipe that trains the bundled models from scratch, on scenes that the project draws.

Run it part by part, in this order::

    python -m t2ibench.tiny.recipe <part> [--minutes M] [--threads N] [--out .cache/tiny]

    scenes -> tokenizer -> vae -> latents -> diffusion -> standin
                             \\-> clip, yolo -> seg, restormer          -> export

Every part is seeded, resumes from its checkpoint and stops when its time budget is spent.
"""
