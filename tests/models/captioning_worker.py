"""Captions a folder of images with a model; tests kill it in the middle and run it again.

Usage: captioning_worker.py MODEL FOLDER NAME
"""

import sys
from pathlib import Path

from helpers.models.captioning import caption_images
from helpers.models.captions import Captioner

if __name__ == "__main__":
    model, folder, name = sys.argv[1:]
    captioner = Captioner(name=model, max_new_tokens=8, batch=3)
    caption_images(captioner, sorted(Path(folder).iterdir()), name)
