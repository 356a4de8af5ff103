"""Captions a folder of images with a model; tests kill it in the middle and run it again.

Usage: captioning_worker.py MODEL FOLDER FILE
"""

import sys
from pathlib import Path

from helpers.models.answer_file import AnswerFile
from helpers.models.captioning import caption_images, find_captioner
from helpers.models.refs import ModelRef

if __name__ == "__main__":
    model, folder, file = sys.argv[1:]
    captioner = find_captioner(ModelRef(model), prompt="auto", max_new_tokens=8)
    paths = sorted(Path(folder).iterdir())
    caption_images(captioner, paths, AnswerFile(Path(file)), batch=3)
