"""Execute notebooks in place, as they are committed: fresh outputs, no network, no machine paths,
no widget state.

`make notebooks` runs all of them; `python tests/notebooks/execute_notebooks.py 02 03` some.
"""

import os
import sys
import tempfile
from pathlib import Path

from helpers.settings.notebook_file import find_notebooks


def execute(path: Path) -> None:
    """Run one notebook as a person would in JupyterLab and keep its outputs."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as outputs:
        os.environ |= {"LAB_OUTPUTS": outputs, "HF_HUB_OFFLINE": "1"}
        NotebookClient(
            notebook,
            timeout=600,
            store_widget_state=False,
            resources={"metadata": {"path": str(path.parent)}},
        ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_progress(output)]
    notebook.metadata = {
        key: notebook.metadata[key]
        for key in ("kernelspec", "language_info")
        if key in notebook.metadata
    }
    notebook.metadata.get("language_info", {}).pop("version", None)
    nbformat.write(notebook, path)


def _is_progress(output) -> bool:
    """Progress bars, as text or as a widget, mean nothing once they have ended."""
    return output.get(
        "name"
    ) == "stderr" or "application/vnd.jupyter.widget-view+json" in output.get("data", {})


if __name__ == "__main__":
    for found in find_notebooks(sys.argv[1:] or ["all"]):
        print(found.stem, flush=True)
        execute(found)
