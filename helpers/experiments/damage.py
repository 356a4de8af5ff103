"""What becomes of a finished run whose files are no more as it wrote them: they are made again."""

from collections.abc import Sequence

from helpers.experiments.runs import Run, load_run
from helpers.files import DAMAGED, display_path, list_some, set_aside


def changed_files(run: Run) -> list[str]:
    """List the files of a finished run that are not as it wrote them: changed, gone, or put into a
    folder of it.
    """
    written, found = run.record["checksums"], run.hash_files()
    foreign = [name for name in found if name not in written and "/" in name]
    return [name for name in written if found.get(name) != written[name]] + foreign


def reopened(run: Run) -> bool:
    """Look whether a finished run is still what it was, and open it again if it is not.

    Of answers, each line says itself whether it is whole; all else that changed is set aside, so
    that the same work makes it again.
    """
    if not changed_files(run):
        return False
    with run.alone():
        run.record = load_run(run.folder).record
        changed = changed_files(run) if run.done else []
        if changed:
            _set_aside(run, changed)
            run.save(status="damaged")
    return not run.done


def _set_aside(run: Run, changed: Sequence[str]) -> None:
    """Tell what changed, and take it out of the way."""
    print(
        f"{display_path(run.folder)}: since this run was done, {list_some(changed)} changed, so "
        f"what it held is made again; what was there is kept beside it ({DAMAGED})."
    )
    for name in dict.fromkeys(name.partition("/")[0] for name in changed):
        path = run.folder / name
        if path.exists() and path != run.answers.path:
            set_aside(path)
