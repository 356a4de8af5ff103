"""What a table says of a picture must be a file in the data set's folder, and nowhere else."""

from pathlib import Path

from helpers.data.layout import leads_out
from helpers.data.records import leaves_folder


def picture_fault(name: object, folder: Path, root: Path) -> str:
    """Say why a name is no picture's of a data set; "" if it is one, on disk or not.

    Args:
        name: as the table has it, below `folder`.
        root: the data set's folder, out of which no link may lead.
    """
    if not isinstance(name, str) or leaves_folder(name):
        return "names no picture in the folder"
    if leads_out(folder / name, root):
        return f"has a picture ({name}) that is a link and leads out of the folder"
    return ""
