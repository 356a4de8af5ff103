"""Sets of the hub, from parquet files like its own: in a folder, and streamed at a commit."""

import io
import shutil
from argparse import Namespace

import pytest
from PIL import Image

from helpers.cli.check_data import check
from helpers.data import Cases, is_simulated, load_dataset
from helpers.data.checks import check_data
from helpers.data.hub import stream_hub
from helpers.files import Damaged, LabError, hash_tree

COMMIT = "0123456789abcdef" * 2 + "01234567"
COLOURS = ("red", "green", "blue", "yellow", "black")


def picture(colour):
    written = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(written, "PNG")
    return {"bytes": written.getvalue(), "path": f"{colour}.png"}


def question(colour, **changes):
    row = {"image": picture(colour), "question": "What colour?", "answer": colour}
    return row | changes


def caption(colour):
    return {"image": picture(colour), "image_id": "1", "caption": f"All {colour}.", "cui": ["C1"]}


def publish(folder, split, rows, parts=1):
    """Write rows in the hub's layout; return the files."""
    from datasets import Dataset as Rows
    from datasets import Features, List, Value
    from datasets import Image as Pictures

    text = Value("string")
    types = {"image": Pictures(), "cui": List(text)}
    features = Features({name: types.get(name, text) for name in rows[0]})
    (folder / "data").mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(parts):
        part = Rows.from_list(rows, features=features).shard(parts, number, contiguous=True)
        files.append(folder / "data" / f"{split}-{number:05}-of-{parts:05}-0a1b2c.parquet")
        part.to_parquet(files[-1])
    return files


@pytest.fixture
def folder(tmp_path):
    """PathVQA in small: five rows of the training split in two files, two validation rows."""
    publish(tmp_path / "published", "train", [question(colour) for colour in COLOURS], parts=2)
    publish(tmp_path / "published", "validation", [question("red"), question("white")])
    return tmp_path / "published"


def arrow_files(outputs):
    """The files with cases, by their paths, and when they were written."""
    found = sorted((outputs / "hub").rglob("*.arrow"))
    return {path.relative_to(outputs / "hub"): path.stat().st_mtime_ns for path in found}


# A folder


def test_published_files_become_cases(folder, outputs):
    data = load_dataset("path_vqa", folder)
    assert {split: len(cases) for split, cases in data.splits.items()} == {"train": 5, "valid": 2}
    assert [case.id for case in data.training] == [f"train-{number}" for number in range(1, 6)]
    assert [case.references[0].text for case in data.training] == list(COLOURS)
    first, same = data.training[0], data.split("valid")[0]
    assert (first.question, first.split, first.question_type) == ("What colour?", "train", "OTHER")
    assert first.images == same.images and first.group == same.group  # one picture in two splits
    assert first.images[0].read_bytes() == picture("red")["bytes"]
    assert first.images[0].is_relative_to(outputs / "hub")
    assert not is_simulated("path_vqa")


def test_captions_have_no_question(tmp_path):
    publish(tmp_path, "test", [caption("red")])
    (case,) = load_dataset("roco_v2", tmp_path).split("test")
    assert (case.question, case.question_type, case.references[0].text) == ("", "", "All red.")


def test_files_are_converted_once(folder, outputs):
    first = load_dataset("path_vqa", folder)
    written = arrow_files(outputs)
    assert len(written) == 2
    assert load_dataset("path_vqa", folder) == first
    assert arrow_files(outputs) == written


def test_a_changed_file_is_converted_again(folder, outputs):
    load_dataset("path_vqa", folder)
    before = arrow_files(outputs)
    publish(folder, "validation", [question("red")] * 3)
    assert len(load_dataset("path_vqa", folder).split("valid")) == 3
    assert len(arrow_files(outputs)) == 4 and before.items() < arrow_files(outputs).items()


def test_the_folder_is_only_read(folder):
    before = hash_tree(folder)
    load_dataset("path_vqa", folder)
    check_data("path_vqa", folder)
    assert hash_tree(folder) == before


def test_a_section_reads_such_a_set(folder):
    cases = Cases(name="path_vqa", root=str(folder), limit=1)
    assert cases.in_words() == "path_vqa, valid: the first 1 of 2 cases" and cases.has_images()


BAD = {
    "has no picture": {"image": None},
    "has neither question nor answer": {"question": " ", "answer": None},
    "has the control character U+0007 in its question or answer": {"answer": "a\x07"},
}


def test_a_bad_row_is_left_out_and_named(tmp_path, capsys):
    good, bad = question("red"), [question("blue", **changes) for changes in BAD.values()]
    publish(tmp_path, "train", [good, good, *bad, good], parts=2)
    ids = [case.id for case in load_dataset("vqa_rad_hub", tmp_path).training]
    assert ids == ["train-1", "train-2", "train-6"]
    assert check(Namespace(name="vqa_rad_hub", path=str(tmp_path))) == 1
    *said, total = capsys.readouterr().out.splitlines()
    first, second = (f"data/train-0000{number}-of-00002-0a1b2c.parquet" for number in range(2))
    places = (f"{first}, record 3", f"{second}, record 1", f"{second}, record 2")
    assert said == [f"{place}: {fault}" for place, fault in zip(places, BAD)]
    assert total.startswith("3 faults and 0 notes")


def test_an_answer_may_lack_its_question(tmp_path):
    publish(tmp_path, "train", [question("red", question=None)])
    (case,) = load_dataset("vqa_rad_hub", tmp_path).training
    assert (case.question, case.references[0].text) == ("", "red")


def test_without_a_row_that_can_be_used_there_is_no_data_set(tmp_path):
    publish(tmp_path, "test", [question("red"), question("red", image=None)])
    publish(tmp_path, "train", [question("red", image=None)])
    assert list(load_dataset("path_vqa", tmp_path).splits) == ["test"]
    (tmp_path / "data" / "test-00000-of-00001-0a1b2c.parquet").unlink()
    with pytest.raises(LabError, match="no row that can be used: run .* check-data path_vqa"):
        load_dataset("path_vqa", tmp_path)


def test_a_missing_part_is_noted(folder):
    (folder / "data" / "train-00000-of-00002-0a1b2c.parquet").unlink()
    assert len(load_dataset("path_vqa", folder).training) == 2
    (note,) = check_data("path_vqa", folder)
    assert note.is_note and "1 of 2 parquet files of the split 'train' are here" in str(note)


def test_two_revisions_in_one_folder_are_refused(folder):
    shutil.copytree(folder / "data", folder / "older")
    with pytest.raises(
        LabError, match=r"holds data/train-00000.* and older/train-00000.* same part"
    ):
        load_dataset("path_vqa", folder)


def test_a_folder_without_parquet_files_is_refused(tmp_path):
    (tmp_path / "0000.parquet").write_bytes(b"of no split")
    for read in (load_dataset, check_data):
        with pytest.raises(LabError, match="no parquet file whose name begins with train, valid"):
            read("path_vqa", tmp_path)
    with pytest.raises(LabError, match="nowhere is no folder"):
        load_dataset("path_vqa", tmp_path / "nowhere")


def test_other_columns_are_named(tmp_path):
    publish(tmp_path, "train", [caption("red")])
    lacks = r"lacks the column question, answer \(it has image, image_id, caption and 1 more\)"
    with pytest.raises(LabError, match=f"train-00000-of-00001-0a1b2c.parquet {lacks}"):
        load_dataset("path_vqa", tmp_path)
    (fault,) = check_data("path_vqa", tmp_path)
    assert str(fault).startswith("data/train-00000-of-00001-0a1b2c.parquet: lacks the column")


DAMAGES = {
    "cut": lambda content: content[:200],
    "no rows after a sound beginning and end": lambda content: (
        content[:4] + b"\xff" * 40 + content[44:]
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named_and_the_rest_is_kept(folder, outputs, damage):
    path = folder / "data" / "validation-00000-of-00001-0a1b2c.parquet"
    content = path.read_bytes()
    path.write_bytes(damage(content))
    with pytest.raises(LabError, match=r"validation-00000.* cannot be read as a parquet file"):
        load_dataset("path_vqa", folder)
    assert [path.name for path in arrow_files(outputs)] == ["train.arrow"]
    assert not list(outputs.rglob("*.part"))
    assert [fault.message[:14] for fault in check_data("path_vqa", folder)] == ["cannot be read"]
    path.write_bytes(content)
    assert len(load_dataset("path_vqa", folder).split("valid")) == 2


def test_pictures_in_another_form_are_refused(tmp_path):
    from datasets import Dataset as Rows

    rows = Rows.from_list([{"image": "red.png", "question": "What?", "answer": "red"}])
    rows.to_parquet(tmp_path / "train.parquet")
    with pytest.raises(LabError, match="train.parquet holds str in the column image"):
        load_dataset("path_vqa", tmp_path)


def test_a_converted_folder_may_move(folder, outputs, tmp_path):
    before = load_dataset("path_vqa", folder)
    (made,) = (path for path in (outputs / "hub").iterdir() if path.is_dir())
    made.rename(tmp_path / "moved")
    after = load_dataset("path_vqa", tmp_path / "moved")
    assert after.fingerprint("train") == before.fingerprint("train")
    assert after.training[0].images_on_disk and not before.training[0].images_on_disk


def test_a_damaged_converted_file_is_told_of(folder, outputs):
    load_dataset("path_vqa", folder)
    for path in outputs.rglob("valid.arrow"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(Damaged, match="hub/path_vqa-.* is not as .* delete the folder"):
        load_dataset("path_vqa", folder)


# The hub


class Hub:
    """Stands in for the hub: what `datasets` asks of it is read from parquet files."""

    def __init__(self, folder):
        self.folder, self.asked = folder, []

    def load_dataset(self, repo, *, revision, split, streaming, cache_dir):
        assert (repo, revision, streaming) == ("flaviagiammarino/path-vqa", COMMIT, True)
        self.asked.append(split)
        files = sorted(map(str, self.folder.rglob(f"{split}-*.parquet")))
        return self.real(
            "parquet", data_files={split: files}, split=split, streaming=True, cache_dir=cache_dir
        )


@pytest.fixture
def hub(folder, monkeypatch):
    import datasets

    found = Hub(folder)
    publish(folder, "test", [question("red"), question("red", image=None)])
    found.real = datasets.load_dataset
    monkeypatch.setattr("datasets.load_dataset", found.load_dataset)
    return found


def test_rows_of_a_commit_are_fetched_once(hub, outputs, folder):
    name = f"path_vqa@{COMMIT}"
    data = load_dataset(name)
    assert {split: len(cases) for split, cases in data.splits.items()} == {
        "train": 5,
        "valid": 2,
        "test": 1,
    }
    assert data.training[0].images[0].parents[1] == outputs / "hub" / f"path_vqa-{COMMIT[:12]}"
    local = load_dataset("path_vqa", folder)
    assert local.fingerprint("train") == data.fingerprint("train")
    assert load_dataset(name) == data
    assert Cases(name=name).load().splits == data.splits and not is_simulated(name)
    assert hub.asked == ["train", "validation", "test"]
    assert [str(fault) for fault in check_data(name)] == ["test, record 2: has no picture"]


def test_an_interrupted_download_goes_on(hub, outputs, folder):
    second = publish(folder, "validation", [question("red"), question("white")], parts=2)[1]
    (folder / "data" / "validation-00000-of-00001-0a1b2c.parquet").unlink()
    content = second.read_bytes()
    second.write_bytes(content[:100])
    with pytest.raises(LabError, match="'validation' of flavia.* could not be fetched .*parquet"):
        load_dataset(f"path_vqa@{COMMIT}")
    assert [path.name for path in arrow_files(outputs)] == ["train.arrow"]
    assert not list(outputs.rglob("*.part"))
    before = arrow_files(outputs)
    second.write_bytes(content)
    assert len(load_dataset(f"path_vqa@{COMMIT}").split("valid")) == 2
    assert hub.asked == ["train", "validation", "validation", "test"]
    assert before.items() < arrow_files(outputs).items()


def test_other_columns_of_the_hub_are_named(hub, folder):
    shutil.rmtree(folder)
    publish(folder, "train", [caption("red")])
    with pytest.raises(LabError, match="The split 'train' lacks the column question, answer"):
        load_dataset(f"path_vqa@{COMMIT}")


def test_of_another_commit_nothing_is_taken_from_the_cache(folder, tmp_path, monkeypatch):
    """Without the hub, `datasets` would take the last commit that it has in its cache."""
    from datasets.packaged_modules.parquet.parquet import Parquet

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    cached = Parquet(
        cache_dir=str(tmp_path / "cache"),
        dataset_name="path-vqa",
        repo_id="flaviagiammarino/path-vqa",
        config_name="default",
        hash="1" * 40,
        data_files={"train": [str(next(folder.rglob("train-00000*")))]},
    )
    cached.download_and_prepare()
    made = next((tmp_path / "cache" / "flaviagiammarino___path-vqa").iterdir())
    made.rename(made.with_name("default"))
    with pytest.raises(LabError, match="could not be fetched .*: check the network"):
        list(stream_hub("flaviagiammarino/path-vqa", COMMIT, "train"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("path_vqa", "without its folder: set `root` .* or name it path_vqa@COMMIT"),
        ("path_vqa@main", "'main', but a branch or tag may move: name a commit"),
        ("path_vqa@", "'', but a branch or tag may move"),
        (f"roco@{COMMIT}", "at a revision, but it has none: name it 'roco'"),
        ("pocket@main", "at a revision, but it has none: name it 'pocket'"),
        (f"vqa_rad_hub@{COMMIT}", "'train' of flaviagiammarino/vqa-rad could not be fetched"),
        ("ham1000@main", "'ham1000@main' is unknown: choose one of"),
    ],
)
def test_what_cannot_be_had_is_refused(name, said, outputs):
    with pytest.raises(LabError, match=said):
        load_dataset(name)
    assert not list(outputs.rglob("*.arrow"))


def test_a_folder_is_of_no_commit(folder):
    with pytest.raises(LabError, match="at a revision and in a folder"):
        load_dataset(f"path_vqa@{COMMIT}", folder)


def test_there_is_no_other_language(folder):
    with pytest.raises(LabError, match="in the language 'zh', but it is in English"):
        load_dataset("path_vqa", folder, language="zh")
