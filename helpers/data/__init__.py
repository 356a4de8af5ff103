"""Where cases come from: one module for each format, data sets by name, checks, and images.

Built on `files`, `cases`, `settings` and `pocket`, whose clinic is written in the real formats.
Nothing in here imports torch. A new data set is one module with DATASETS, see `catalogue`.
"""

from helpers.data.catalogue import data_folder as data_folder
from helpers.data.catalogue import is_simulated as is_simulated
from helpers.data.sources import Cases as Cases
from helpers.data.sources import Dataset as Dataset
from helpers.data.sources import Source as Source
from helpers.data.sources import TrainingCases as TrainingCases
from helpers.data.sources import load_dataset as load_dataset
from helpers.data.sources import name_or_instead as name_or_instead
