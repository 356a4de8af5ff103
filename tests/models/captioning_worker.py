"""Captions a folder of images with a model; tests kill it in the middle and run it again.

Usage: captioning_worker.py MODEL FOLDER STORE
"""

import sys
from pathlib import Path

from helpers.models.captioning import caption_images, open_captioner
from helpers.models.captions import CaptionStore

if __name__ == "__main__":
    model, folder, store = sys.argv[1:]
    captioner = open_captioner(
        model, prompt="auto", max_new_tokens=8, quantization="none", allow_upload=False
    )
    paths = sorted(Path(folder).iterdir())
    caption_images(captioner, paths, CaptionStore(Path(store)), batch_size=3)
