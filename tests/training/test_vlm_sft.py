"""Fine-tuning of VLMs at miniature size: against the model itself; failures; interruptions."""

import random
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from helpers.files import LabError, file_hash, read_json
from helpers.models.base import ImagePrompt
from helpers.models.decoding import end_tokens
from helpers.models.devices import Device, device_for
from helpers.models.processors import completion, load_processor, turn_text
from helpers.models.refs import ModelRef
from helpers.models.vlm import load_vlm
from helpers.training import vlm_sft
from helpers.training.checkpoints import last_whole_checkpoint
from helpers.training.features import can_precompute, connector_of, with_features
from helpers.training.lora_sft import train_adapter
from helpers.training.recipe import WAYS, VlmRecipe
from helpers.training.vlm_examples import VlmExample, plan_vlm_training
from helpers.training.vlm_sft import train_vlm_with_peft
from tests.gpu import vlm, vlm_checkpoints
from tests.models import tiny_vlms
from tests.training.test_lora_sft import broken_off_at, losses, small

ALL_KINDS = [kind for kind in tiny_vlms.BUILDERS if "blip" not in kind]
KINDS = [kind for kind in ALL_KINDS if "tiles" not in kind]
SIZES = ((40, 30), (31, 64), (90, 45), (64, 64), (120, 33), (50, 80))
SMALL = small(VlmRecipe, accumulation=1, max_length=512)
QUESTION = "What is seen, and what is to be done about it?"


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """The folder of a tiny model of a kind; each is built once."""
    made = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = tiny_vlms.build(kind, tmp_path_factory.mktemp("models") / kind)
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> list[Path]:
    """Images of different sizes, with something on each."""
    folder = tmp_path_factory.mktemp("photos")
    for number, size in enumerate(SIZES):
        noise = Image.frombytes("RGB", (8, 8), random.Random(number).randbytes(8 * 8 * 3))
        noise.resize(size).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


def texts(folder: Path, photos: list[Path], question: str = QUESTION) -> list[dict]:
    """A question to each image, with two answers of quite different lengths."""
    draw, processor = random.Random(1), load_processor(ModelRef(str(folder)))
    words = "eczema scabies rosacea a steroid cream twice daily".split()
    answers = [
        [" ".join(draw.choices(words, k=draw.randint(1, 9))) + "." for _ in range(2)]
        for _ in photos
    ]
    return [
        {
            "id": photo.stem,
            "image": str(photo),
            "prompt": turn_text(processor, question),
            "completions": [completion(processor, question, answer) for answer in pair],
        }
        for photo, pair in zip(photos, answers)
    ]


def train(folder: Path, run: Path, rows, recipe=SMALL, *, valid=(), **loaded) -> dict:
    """Train a model that is loaded with `quantization` and `max_side` as given."""
    run.mkdir(exist_ok=True)
    card = {
        "model": str(folder),
        "weights": ModelRef(str(folder)).fingerprint_weights(),
        "data": "d",
        "prompt": "p",
    }
    base = ModelRef(str(folder), **loaded)
    return train_adapter(base, rows, list(valid), run, recipe=recipe, card=card, backend="peft")


@pytest.fixture
def trained_models(monkeypatch) -> list:
    """The models that are trained in a test, as they are in memory afterwards."""
    kept, real = [], vlm_sft.make_trainable

    def keeping(*arguments):
        kept.append(real(*arguments))
        return kept[-1]

    monkeypatch.setattr(vlm_sft, "make_trainable", keeping)
    return kept


def in_order(examples: list[VlmExample], photos: list[Path]) -> list[VlmExample]:
    """The example of each photo, in the photos' order."""
    by_image = {example.image: example for example in examples}
    return [by_image[str(photo)] for photo in photos]


def questions_on(photos: list[Path]) -> dict:
    return {photo.stem: ImagePrompt(Image.open(photo).convert("RGB"), QUESTION) for photo in photos}


@pytest.fixture
def faster_moondream(monkeypatch) -> None:
    """The rate of moondream's authors is part of their recipe, and too low for six steps."""
    monkeypatch.setitem(WAYS, "moondream", replace(WAYS["moondream"], rate=3e-3))


# The recipe


def test_each_named_recipe_has_its_own_rate_which_only_moondream_s_keeps():
    plain = {name: VlmRecipe(recipe=name) for name in ("lora", "text", "moondream")}
    assert {name: one.peak_rate for name, one in plain.items()} == {
        "lora": 2e-4,
        "text": 3e-5,
        "moondream": 3e-5,
    }
    asked = {name: one.but(learning_rate=0.01) for name, one in plain.items()}
    assert [one.peak_rate for one in asked.values()] == [0.01, 0.01, 3e-5]
    assert asked["moondream"].effective() == plain["moondream"].effective()
    assert [one.trains_text_tower for one in plain.values()] == [False, True, True]
    assert [one.warmup for one in plain.values()] == [5, 5, 0]


def test_without_an_adapter_its_numbers_determine_nothing():
    text = VlmRecipe(recipe="text")
    assert not {"rank", "alpha", "dropout"} & set(text.effective())
    assert text.but(rank=64).identity() == text.identity()
    assert VlmRecipe(rank=64).identity() != VlmRecipe().identity()
    assert VlmRecipe(features="auto").identity() == VlmRecipe(features="live").identity()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"recipe": "full"}, "^`recipe` is 'full', but it must be one of lora, text, moondream"),
    ],
)
def test_what_a_vlm_cannot_be_trained_with_is_refused(changes, message):
    with pytest.raises(LabError, match=message):
        VlmRecipe(**changes)


# Adapters


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_in_the_text_tower_of_a_four_bit_model_learns_and_answers(
    kind, folder_of, photos, tmp_path, trained_models
):
    folder = folder_of(kind)
    rows = texts(folder, photos)
    facts = train(folder, tmp_path / "run", rows, valid=rows[:2], quantization="nf4")
    found = losses(tmp_path / "run", "eval_loss")
    assert all(0 < loss < 20 for loss in losses(tmp_path / "run")) and found[-1] < found[0] - 0.2, (
        found
    )
    assert (
        facts["training_records"] == 6
        and facts["optimiser_steps"] == 6
        and facts["pictures_not_opened"] == 0
    )

    (model,) = trained_models
    fresh = load_vlm(ModelRef(str(folder), quantization="nf4"))
    inside = {id(module) for module in model.get_base_model().get_decoder().modules()}
    places = tuple(name for name, module in model.named_modules() if id(module) in inside)
    assert all(name.startswith(places) for name, _ in model.named_modules() if "lora" in name)
    assert sum("Linear4bit" in type(module).__name__ for module in model.modules()) > 10
    before = dict(fresh.model.named_parameters())
    for name, parameter in model.named_parameters():
        if "lora_" not in name:
            name = name.removeprefix("base_model.model.").replace(".base_layer.", ".")
            assert torch.equal(parameter, before.pop(name)) and parameter.grad is None, name
        else:
            assert parameter.requires_grad and parameter.dtype == torch.float32
    assert not before
    saved = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    assert len(saved) == 2 * 7 * 2 and all(
        saved[name].abs().max() > 0 for name in saved if "lora_B" in name
    )

    tuned = load_vlm(
        ModelRef(str(folder), quantization="nf4", adapter=tmp_path / "run" / "adapter")
    )
    answers = list(tuned.answer_batch(questions_on(photos[:3]), max_new_tokens=6))
    assert len(answers) == 3 and all(answer.finish in ("stop", "length") for answer in answers)
    assert [row.text for row in answers] != [
        row.text for row in fresh.answer_batch(questions_on(photos[:3]), max_new_tokens=6)
    ]


def test_a_folder_with_a_strangers_adapter_does_not_change_a_model_loaded_there(
    folder_of, photos, tmp_path, monkeypatch
):
    folder = folder_of("smolvlm")
    train(folder, tmp_path / "run", texts(folder, photos[:2]), SMALL.but(steps=1))
    monkeypatch.chdir(tmp_path / "run" / "adapter")
    assert not hasattr(load_vlm(ModelRef(str(folder))).model, "peft_config")


@pytest.mark.slow
def test_with_vision_trained_both_towers_get_adapters(folder_of, photos, tmp_path):
    folder = folder_of("idefics2")
    train(folder, tmp_path / "run", texts(folder, photos), SMALL.but(vision="trained", steps=2))
    saved = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    for part in ("vision_model", "perceiver_resampler", "text_model"):
        changed = [tensor for name, tensor in saved.items() if part in name and "lora_B" in name]
        assert changed and all(tensor.abs().max() > 0 for tensor in changed), part
    assert not any("lm_head" in name for name in saved)


@pytest.mark.slow
def test_an_adapter_for_another_base_is_refused(folder_of, photos, tmp_path):
    folder = folder_of("smolvlm")
    train(folder, tmp_path / "run", texts(folder, photos[:2]), SMALL.but(steps=1))
    with pytest.raises(
        LabError, match="^The adapter was trained on .*smolvlm.*set `model` to the adapter's base"
    ):
        load_vlm(ModelRef(str(folder_of("idefics3")), adapter=tmp_path / "run" / "adapter"))


# What is learnt from


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_padded_batch_asks_what_generation_asks_and_gives_each_token_the_loss_it_has_alone(
    kind, folder_of, photos
):
    folder = folder_of(kind)
    loaded, rows = load_vlm(ModelRef(str(folder))), texts(folder, photos[:4])
    plan = plan_vlm_training(loaded, rows, [], SMALL)
    examples = in_order(plan.train, photos[:4])
    for example, row, pair in zip(examples, rows, questions_on(photos[:4]).values()):
        words = loaded.processor.tokenizer(row["completions"][0], add_special_tokens=False)[
            "input_ids"
        ]
        assert example.ids[: example.first] == loaded._chat([pair])["input_ids"][0].tolist()
        ends = end_tokens(loaded.processor.tokenizer, loaded.model.generation_config)
        assert example.ids[example.first :] == words and ends & set(words)
        assert torch.allclose(
            _next(loaded, pair), _learnt_from(loaded.model, plan, example), atol=1e-4
        )
        labels = plan.collate([example])["labels"]
        assert labels[labels != -100].tolist() == words
    for pair in (examples[:2], examples[2:]):
        assert len({len(example.ids) for example in pair}) == 2, "nothing is padded"
        together, alone = _token_losses(loaded.model, plan, pair), []
        for example in pair:
            alone += _token_losses(loaded.model, plan, [example])
        assert together == pytest.approx(alone, abs=1e-4)
        loss = loaded.model(**plan.collate(pair)).loss.detach()
        assert float(loss) == pytest.approx(sum(alone) / len(alone), abs=1e-4)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_token_of_an_answer_sees_all_that_stands_before_it(kind, folder_of, photos):
    """An example alone has no padding: nothing of it is to be hidden."""
    folder = folder_of(kind)
    loaded, rows = load_vlm(ModelRef(str(folder))), texts(folder, photos[:1])
    plan = plan_vlm_training(loaded, rows, [], SMALL)
    example = plan.train[0]
    assert example.learnt > 2
    batch = plan.collate([example])
    with torch.no_grad():
        masked = loaded.model(**batch).loss
        open_to_all = batch | {"attention_mask": torch.ones_like(batch["input_ids"])}
        assert torch.allclose(masked, loaded.model(**open_to_all).loss, rtol=0, atol=1e-6)


def _next(loaded, pair):
    """What generation makes of the first token of an answer, of all words."""
    made = loaded.model.generate(
        **loaded._chat([pair]),
        max_new_tokens=1,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return made.logits[0][0]


def _learnt_from(model, plan, example):
    """What training makes of it."""
    with torch.no_grad():
        return model(**plan.collate([example])).logits[0, 0]


def _token_losses(model, plan, examples) -> list[float]:
    batch = plan.collate(examples)
    with torch.no_grad():
        logits = model(**{name: value for name, value in batch.items() if name != "labels"}).logits
    each = cross_entropy(logits[:, :-1].transpose(1, 2), batch["labels"][:, 1:], reduction="none")
    return each[batch["labels"][:, 1:] != -100].tolist()


@pytest.mark.parametrize("joins", [False, True], ids=["frozen", "connector"])
@pytest.mark.parametrize("kind", [kind for kind in ALL_KINDS if kind != "qwen3_vl"])
def test_precomputed_features_give_the_losses_of_live_images(kind, joins, folder_of, photos):
    folder = folder_of(kind)
    loaded = load_vlm(ModelRef(str(folder)))
    if joins and connector_of(loaded.model) is None:
        assert kind in ("qwen2_5_vl", "moondream2"), "a connector that is not known"
        assert not can_precompute(loaded, connector_learns=True)
        return
    plan = plan_vlm_training(loaded, texts(folder, photos), texts(folder, photos[:2]), SMALL)
    examples = in_order(plan.train, photos)
    pairs = [examples[:2], examples[5:1:-3], examples[:1]]
    live = [_token_losses(loaded.model, plan, pair) for pair in pairs]
    own = loaded.model.model.get_image_features
    with with_features(loaded, plan, connector_learns=joins) as kept:
        assert kept.collate(pairs[0])["pixel_values"].shape == (2,), "pixels are still there"
        for pair, expected in zip(pairs, live):
            assert _token_losses(loaded.model, kept, pair) == pytest.approx(expected, abs=1e-4)
    assert loaded.model.model.get_image_features == own, "the model sees no images any more"
    assert _token_losses(loaded.model, plan, pairs[0]) == live[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"vision": "connector"}, {"recipe": "text", "vision": "connector"}], ids=str
)
@pytest.mark.parametrize("kind", ["llava", "idefics2"])
def test_a_training_on_precomputed_features_is_that_on_live_images(
    kind, changes, folder_of, photos, tmp_path
):
    folder = folder_of(kind)
    rows, recipe = texts(folder, photos), SMALL.but(changes, steps=4)
    for features in ("live", "precomputed"):
        train(folder, tmp_path / features, rows, recipe.but(features=features), valid=rows[:3])
    for name in ("loss", "eval_loss"):
        found = losses(tmp_path / "precomputed", name)
        assert found == pytest.approx(losses(tmp_path / "live", name), abs=1e-4) and len(found) >= 4


def test_features_from_several_layers_cannot_be_precomputed(folder_of, photos, tmp_path):
    folder = folder_of("qwen3_vl")
    with pytest.raises(
        LabError, match="^`features` is 'precomputed', but a model of type 'qwen3_vl'.* to 'live'.$"
    ):
        train(
            folder,
            tmp_path / "run",
            texts(folder, photos),
            SMALL.but(features="precomputed"),
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["qwen3_vl", "idefics3 in tiles"])
def test_a_smaller_image_side_caps_the_tokens(kind, folder_of, photos, tmp_path):
    folder, tokens = folder_of(kind), {}
    for side in (0, tiny_vlms.SIDE, 2 * tiny_vlms.SIDE):
        loaded = load_vlm(ModelRef(str(folder), max_side=side))
        tokens[side] = loaded._chat(list(questions_on(photos[3:4]).values()))["input_ids"].shape[1]
        assert len(list(loaded.answer_batch(questions_on(photos[3:5]), max_new_tokens=2))) == 2
    assert tokens[tiny_vlms.SIDE] < tokens[2 * tiny_vlms.SIDE] <= tokens[0], tokens
    rows = texts(folder, photos)
    facts = [
        train(folder, tmp_path / f"run-{side}", rows, SMALL.but(steps=1), max_side=side)
        for side in (0, tiny_vlms.SIDE)
    ]
    assert facts[0]["tokens_seen"] > facts[1]["tokens_seen"]


# Seeds


def test_the_seed_decides_the_first_weights_of_an_adapter_and_nothing_else_does(folder_of):
    first = {}
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        torch.rand(len(first) + 1)  # whatever was drawn before
        model = vlm_sft.make_trainable(
            load_vlm(ModelRef(str(folder_of("smolvlm")))).model, SMALL.but(seed=seed)
        )
        first[name] = torch.cat(
            [p.detach().flatten() for n, p in model.named_parameters() if "lora_A" in n]
        )
    assert torch.equal(first["one"], first["again"])
    assert not torch.equal(first["one"], first["other"])


def test_the_seed_decides_which_answer_is_learnt_and_how_an_image_is_changed(folder_of, photos):
    loaded = load_vlm(ModelRef(str(folder_of("smolvlm"))))
    rows = texts(folder_of("smolvlm"), photos[:1])  # one case has one order

    def drawn(seed: int) -> tuple[list, list]:
        changes = {"references": "sampled", "augmentation": "training", "epochs": 12.0}
        plan = plan_vlm_training(loaded, rows, [], SMALL.but(changes, seed=seed))
        return [one.ids for one in plan.train], [one.seed for one in plan.train]

    for one, again, other in zip(drawn(5), drawn(5), drawn(6)):
        assert one == again != other
    answers, images = drawn(5)
    assert len(set(map(tuple, answers))) == 2 and len(set(images)) == 12
    assert not set(images) & set(drawn(6)[1])


# The whole text tower


@pytest.mark.slow
@pytest.mark.parametrize("kind, recipe", [("llava", "moondream"), ("idefics2", "text")])
def test_the_whole_text_tower_is_trained_and_comes_back(
    kind, recipe, folder_of, photos, tmp_path, trained_models, faster_moondream
):
    folder = folder_of(kind)
    rows, recipe = texts(folder, photos), SMALL.but(recipe=recipe, learning_rate=3e-3)
    train(folder, tmp_path / "run", rows, recipe, valid=rows[:2])
    found = losses(tmp_path / "run", "eval_loss")
    assert found[-1] < found[0] - 0.2, found
    tuned = load_vlm(ModelRef(str(folder), adapter=tmp_path / "run" / "adapter"))
    base = dict(load_vlm(ModelRef(str(folder))).model.named_parameters())
    text = {
        id(p)
        for part in (tuned.model.get_decoder(), tuned.model.lm_head)
        for p in part.parameters()
    }
    for name, parameter in tuned.model.named_parameters():
        assert torch.equal(parameter, base[name]) == (id(parameter) not in text), name
        assert torch.allclose(
            parameter, dict(trained_models[0].named_parameters())[name], atol=1e-6
        ), name
    assert len(list(tuned.answer_batch(questions_on(photos[:2]), max_new_tokens=4))) == 2


def test_a_whole_tower_of_four_bit_weights_is_refused(folder_of, photos, tmp_path):
    folder = folder_of("llava")
    with pytest.raises(
        LabError, match="`quantization` is 'nf4': 4-bit weights cannot be; set it to 'none'"
    ):
        train(
            folder,
            tmp_path,
            texts(folder, photos),
            SMALL.but(recipe="text"),
            quantization="nf4",
        )


# What goes wrong


def test_a_processor_of_another_model_is_refused_when_it_is_loaded(folder_of, tmp_path):
    for model, processor in (
        ("llava", "pocket/llava"),
        ("idefics3", "qwen3_vl"),
        ("gemma3", "idefics3"),
    ):
        folder = tmp_path / model
        load_vlm(ModelRef(str(folder_of(model)))).model.save_pretrained(folder)
        other = processor if "/" in processor else str(folder_of(processor))
        load_processor(ModelRef(other)).save_pretrained(folder)
        with pytest.raises(LabError, match="^[^\n]*(belong|fit) together[^\n]*from[^\n]*$"):
            load_vlm(ModelRef(str(folder)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["idefics2", "idefics3", "gemma3", "llava", "llava's size", "qwen3_vl"]
)
def test_images_of_other_tokens_than_the_model_s_are_one_sentence_also_in_training(
    kind, folder_of, photos, tmp_path
):
    changes = {
        "gemma3": ("image_seq_length", 9),
        "llava": ("patch_size", 16),
        "llava's size": ("crop_size", 64),
        "qwen3_vl": ("patch_size", 16),
    }
    name, value = changes.get(kind, ("image_seq_len", 9))
    source, folder = folder_of(kind.partition("'")[0]), tmp_path / "model"
    processor, rows = load_processor(ModelRef(str(source))), texts(source, photos)
    load_vlm(ModelRef(str(source))).model.save_pretrained(folder)
    if name == "crop_size":
        processor.image_processor.size = {"shortest_edge": value}
        processor.image_processor.crop_size = {"height": value, "width": value}
    else:
        setattr(processor if kind != "qwen3_vl" else processor.image_processor, name, value)
    processor.save_pretrained(folder)
    for features in ("live", "auto"):
        with pytest.raises(LabError, match="^Model and processor do not fit together [^\n]*$"):
            train(folder, tmp_path / "run", rows, SMALL.but(steps=1, features=features))


def test_a_question_longer_than_the_context_is_one_sentence(folder_of, photos, tmp_path):
    folder = folder_of("llava")
    rows = texts(folder, photos[:2], "very " * 2100)
    with pytest.raises(
        LabError, match=r"has 4\d{3} tokens or more, .* leave 2048, so there is nothing to learn"
    ):
        train(folder, tmp_path, rows, SMALL.but(max_length=9999))
    with pytest.raises(
        LabError, match=r"has 4\d{3} tokens and its answer up to 4, but the model's context 2048"
    ):
        load_vlm(ModelRef(str(folder))).answer(photos[0], "very " * 2100, max_new_tokens=4)
    rows += texts(folder, photos[2:4])
    facts = train(folder, tmp_path / "run", rows, SMALL.but(steps=1))
    assert (facts["records_without_room"], facts["training_records"]) == (2, 2)


@pytest.mark.slow
def test_images_that_cannot_be_opened_are_left_out_and_counted(folder_of, photos, tmp_path):
    folder, torn = folder_of("smolvlm"), tmp_path / "torn.png"
    torn.write_bytes(photos[0].read_bytes()[:60])
    rows = texts(folder, [*photos[:3], torn, tmp_path / "missing.png"])
    facts = train(folder, tmp_path / "run", rows, SMALL.but(steps=1), valid=rows[2:])
    assert (
        facts["pictures_not_opened"],
        facts["training_records"],
        facts["validation_records"],
    ) == (2, 3, 1)
    with pytest.raises(
        LabError, match="^2 training cases .* none of the images can be opened: run check-data"
    ):
        train(folder, tmp_path / "none", rows[3:])


# Interruptions


WHOLE = {"recipe": "text", "learning_rate": 3e-3}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, changes",
    [
        ("smolvlm", {"dropout": 0.1, "features": "precomputed"}),
        ("smolvlm", {"augmentation": "training", "references": "sampled", "slips": "authors"}),
        ("smolvlm", WHOLE | {"recipe": "moondream"}),
        ("llava", WHOLE),
        ("gemma3", WHOLE),
        ("qwen2_5_vl", WHOLE),
    ],
)
def test_an_interrupted_training_ends_as_an_undisturbed_one(
    kind, changes, folder_of, photos, tmp_path, faster_moondream
):
    folder, recipe = folder_of(kind), SMALL.but(changes | {"checkpoint_seconds": 0.0})
    rows = texts(folder, photos)
    train(folder, tmp_path / "undisturbed", rows, recipe, valid=rows[:2])
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    with pytest.raises(KeyboardInterrupt):
        report = broken_off_at(4, KeyboardInterrupt())
        train_vlm_with_peft(ModelRef(str(folder)), rows, rows[:2], stopped, recipe, report)
    assert last_whole_checkpoint(stopped / "checkpoints").endswith("checkpoint-3")
    train(folder, stopped, rows, recipe, valid=rows[:2])
    a, b = (
        (tmp_path / name / "adapter").glob("*model.safetensors")
        for name in ("undisturbed", "stopped")
    )
    assert file_hash(*a) == file_hash(*b)
    assert read_json(stopped / "adapter" / "lab.json")["recipe"]["steps"] == 6
    for name in ("loss", "eval_loss"):
        assert losses(stopped, name) == losses(tmp_path / "undisturbed", name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_how_a_step_is_cut_into_batches_changes_nothing(kind, folder_of, photos, tmp_path):
    folder, found = folder_of(kind), []
    rows = texts(folder, photos)
    for batch in (4, 1):
        recipe = SMALL.but(steps=1, batch=batch, accumulation=4 // batch)
        train(folder, tmp_path / f"{batch}", rows, recipe, valid=rows[:3])
        found.append((losses(tmp_path / f"{batch}"), losses(tmp_path / f"{batch}", "eval_loss")))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-4) and found[0][1] == pytest.approx(
        found[1][1], abs=1e-4
    )


def test_tinyllava_is_asked_in_its_published_format(folder_of):
    processor = load_processor(ModelRef(str(folder_of("llava"))))
    assert turn_text(processor, "What is it?") == "USER: <image>\n What is it? ASSISTANT:"
    assert turn_text(processor, "What is it?", "Eczema.").endswith("ASSISTANT: Eczema.</s>")


# The measurement for a GPU (tests/gpu/vlm.py), in this process


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, billions", [("smolvlm", 2.25), ("qwen3_vl", 8.77), ("idefics2", 8.40)]
)
def test_the_measurement_for_a_gpu_has_the_published_shapes_and_runs_at_tiny_size(
    name, billions, tmp_path
):
    from transformers import AutoModelForImageTextToText

    model_class, config, _ = vlm_checkpoints.described(name, vlm_checkpoints.SHAPES[name])
    with torch.device("meta"):
        published = model_class(config)
    assert published.num_parameters() / 1e9 == pytest.approx(billions, abs=0.01)
    assert (
        vlm_checkpoints.write_checkpoint(tmp_path / "model", name, vlm_checkpoints.TINY[name]) > 0
    )
    model, found = AutoModelForImageTextToText.from_pretrained(
        tmp_path / "model", output_loading_info=True
    )
    assert (
        not found["missing_keys"] and not found["unexpected_keys"] and not found["mismatched_keys"]
    )
    layers = {path: type(module).__name__ for path, module in model.named_modules()}
    assert [path for path, kind in layers.items() if kind == "Linear"] == ["lm_head"]
    assert sum(kind == "Linear4bit" for kind in layers.values()) > 20

    arguments = Namespace(tiny=True, cap=15.0, steps=2, folder=tmp_path, part="peft")
    trained = vlm.measure(arguments)
    assert (
        trained["optimiser_steps"] == 2
        and trained["training_records"] == 16
        and trained["records_cut"] == 0
    )
    assert trained["even_seconds_per_step"] > 0 and all(5 < loss < 12 for loss in trained["losses"])
    answered = vlm.measure(Namespace(**vars(arguments) | {"part": "answers"}))
    assert answered["images"] == 4 and 0 < answered["tokens"] <= 4 * 64


def test_gemma_does_not_compute_in_float16():
    t4, a100 = Device("cuda", "float16", "T4"), Device("cuda", "bfloat16", "A100")
    assert (
        device_for("gemma3", t4).dtype == "float32"
        and "would overflow" in device_for("gemma3", t4).reason
    )
    assert device_for("gemma3", a100) == a100 and device_for("qwen3_vl", t4) == t4
