"""Where cases come from: one module for each format, data sets by name, checks, and images.

Built on `files`, `cases` and `pocket`, whose clinic is written in the real formats. Nothing in
here imports torch.
"""

from helpers.data.sources import FORMATS as FORMATS
from helpers.data.sources import POCKET as POCKET
from helpers.data.sources import Dataset as Dataset
from helpers.data.sources import data_folder as data_folder
from helpers.data.sources import load_dataset as load_dataset
