"""Dermnet's folders, by their own names and by SkinGPT-4's 15 classes."""

import pytest

from helpers.data import load_dataset
from helpers.data.checks import check_data
from helpers.data.dermnet import diagnosis_sentence, major_class, major_classes
from helpers.files import LabError, read_json

ECZEMA, ACNE = "Eczema Photos", "Acne and Rosacea Photos"
NOTED = f"train/{ECZEMA}/a.jpg"
# Rows of notes.csv that are no notes, and what is said of them.
NO_NOTES = {
    "another picture": (f"train/{ECZEMA}/z.jpg,Dry", "names no picture that can be used"),
    "a picture outside": ("../a.jpg,Dry", "names no picture that can be used"),
    "no picture": (" ,Dry", "names no picture"),
    "no class's picture": ("train/Feet/b.jpg,Dry", "names no picture that can be used"),
    "an empty note": (f"train/{ECZEMA}/b.jpg, ", "has no note"),
    "a missing cell": (f"train/{ECZEMA}/b.jpg", "has no note"),
    "a comma without quotes": (f"train/{ECZEMA}/b.jpg,Dry, red", "more cells than the first line"),
    "the same picture": (f"{NOTED},Other", "has the picture of a row before it"),
    "no text": (f"train/{ECZEMA}/b.jpg,D\x07ry", "`note` has"),
}


def write(root, *places):
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(b"")
    return root


def test_a_picture_is_labelled_by_its_folder(tmp_path):
    write(tmp_path, f"train/{ECZEMA}/a.jpg", f"train/{ACNE}/b.JPG", f"test/{ECZEMA}/a.jpg")
    labels = {"dermnet": ["Acne and rosacea", "Dermatitis"], "dermnet_23": [ACNE, ECZEMA]}
    for name, expected in labels.items():
        data = load_dataset(name, tmp_path)
        assert [case.label for case in data.split("train")] == expected
        (case,) = data.split("test")
        assert (case.id, case.split) == (f"test/{ECZEMA}/a.jpg", "test")
        assert case.images == (tmp_path / "test" / ECZEMA / "a.jpg",)


def test_what_is_no_picture_or_no_class_is_named_and_the_rest_goes_on(tmp_path):
    write(
        tmp_path,
        *(f"train/{ECZEMA}/a.jpg", f"train/{ECZEMA}/Thumbs.db", "train/Feet/b.jpg"),
        *("train/readme.txt", "train/ACNE  and Rosacea photos/c.png"),
    )
    cases = load_dataset("dermnet", tmp_path).split("train")
    assert [case.label for case in cases] == ["Acne and rosacea", "Dermatitis"]
    faults = [f"{fault.file}: {fault.message}" for fault in check_data("dermnet", tmp_path)]
    assert faults == [
        f"train/{ECZEMA}: Thumbs.db is no image by its name",
        "train/Feet: is no class of Dermnet: rename it, or read `dermnet_23`",
    ]
    assert len(load_dataset("dermnet_23", tmp_path).split("train")) == 3


def test_a_folder_or_picture_that_leads_out_is_left_out(tmp_path):
    write(tmp_path / "elsewhere", "b.jpg")
    root = write(tmp_path / "data", f"train/{ECZEMA}/a.jpg")
    (root / "train" / ACNE).symlink_to(tmp_path / "elsewhere")
    (root / "train" / ECZEMA / "b.jpg").symlink_to(tmp_path / "elsewhere" / "b.jpg")
    (case,) = load_dataset("dermnet", root).split("train")
    assert case.id == f"train/{ECZEMA}/a.jpg"
    assert [("leads out" in fault.message) for fault in check_data("dermnet", root)] == [True, True]


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(LabError, match="holds no folder train or test"):
        load_dataset("dermnet", tmp_path)
    with pytest.raises(LabError, match="no case .* that can be used.*check-data dermnet"):
        load_dataset("dermnet", write(tmp_path, "train/Feet/b.jpg"))


def test_every_published_folder_has_one_of_15_classes_or_is_among_others(shared):
    folders = read_json(shared / "data" / "dermnet" / "classes.json")["classes"]
    assert len(folders) == len(major_classes()) == 23
    classes = {folder: major_class(folder) for folder in folders}
    assert all(classes.values())
    assert len(set(classes.values()) - {"Others"}) == 15
    assert sum(name == "Dermatitis" for name in classes.values()) == 4


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("Dermatitis", "The skin disease in this image is dermatitis."),
        ("Melanoma, nevi and moles", "The skin disease in this image is melanoma, nevi and moles."),
        ("Others", "The skin disease in this image is of another class."),
        (ACNE, "The skin disease in this image is acne and rosacea."),
        ("Photos", "The skin disease in this image is photos."),
    ],
)
def test_a_label_in_a_sentence(label, sentence):
    assert diagnosis_sentence(label) == sentence


def texts(cases):
    return {case.id: [one.text for one in case.references] for case in cases}


def test_without_notes_a_sentence_with_the_label_is_learnt(tmp_path):
    write(tmp_path, NOTED, "test/Systemic Disease/b.jpg")
    data = load_dataset("dermnet", tmp_path)
    assert texts(data.split("train")) == {NOTED: ["The skin disease in this image is dermatitis."]}
    (case,) = data.split("test")
    assert case.references[0].text.endswith("another class.") and case.question == ""
    (case,) = load_dataset("dermnet_23", tmp_path).split("train")
    assert case.references[0].text == "The skin disease in this image is eczema."


@pytest.mark.parametrize("name", ["dermnet", "dermnet_23"])
def test_a_persons_note_is_learnt_instead(tmp_path, name):
    write(tmp_path, NOTED, f"train/{ECZEMA}/b.jpg", f"test/{ECZEMA}/a.jpg")
    row = 'picture,note,by\n"train\\Eczema Photos\\a.jpg"," Dry, red skin. ",Dr A\n'
    (tmp_path / "notes.csv").write_text(row, encoding="utf-8-sig")  # as Excel writes it
    data = load_dataset(name, tmp_path)
    found = texts((*data.split("train"), *data.split("test")))
    assert found.pop(NOTED) == ["Dry, red skin."]
    assert len(found) == 2 and all(text[0].startswith("The skin") for text in found.values())
    assert check_data(name, tmp_path) == []


@pytest.mark.parametrize(("row", "said"), NO_NOTES.values(), ids=NO_NOTES)
def test_a_row_that_is_no_note_is_named_and_the_rest_goes_on(tmp_path, row, said):
    write(tmp_path, NOTED, f"train/{ECZEMA}/b.jpg", "train/Feet/b.jpg")
    (tmp_path / "notes.csv").write_text(f"picture,note\n{NOTED},Itching.\n{row}\n")
    found = texts(load_dataset("dermnet", tmp_path).split("train"))
    sentence = "The skin disease in this image is dermatitis."
    assert found == {NOTED: ["Itching."], f"train/{ECZEMA}/b.jpg": [sentence]}
    faults = [fault for fault in check_data("dermnet", tmp_path) if fault.file == "notes.csv"]
    assert [fault.record for fault in faults] == [2] and said in faults[0].message
    assert not faults[0].is_note


def test_a_table_of_notes_that_is_none_is_refused(tmp_path):
    root = write(tmp_path / "data", NOTED)
    (root / "notes.csv").write_text("image,note\n")
    with pytest.raises(LabError, match=r"notes\.csv lacks the column picture"):
        load_dataset("dermnet", root)
    (root / "notes.csv").unlink()
    (tmp_path / "secret.csv").write_text(f"picture,note\n{NOTED},Secret\n")
    (root / "notes.csv").symlink_to(tmp_path / "secret.csv")
    (case,) = load_dataset("dermnet", root).split("train")
    assert "Secret" not in case.references[0].text
    (fault,) = check_data("dermnet", root)
    assert (fault.file, fault.record) == ("notes.csv", 0) and "leads out" in fault.message
