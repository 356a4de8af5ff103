"""Where cases come from: one module for each format, the folder of each data set by name, checks,
and image files.

Built on `files`, `cases` and `pocket`, whose clinic is written in the real formats. No torch in
here.
"""

from helpers.data.sources import FORMATS as FORMATS
from helpers.data.sources import POCKET as POCKET
from helpers.data.sources import Dataset as Dataset
from helpers.data.sources import data_folder as data_folder
from helpers.data.sources import load_dataset as load_dataset
