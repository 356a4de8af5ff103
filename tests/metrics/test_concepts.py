"""Which concepts a caption names: sentences of our own with what is in them, and scores worked out
by hand.
"""

import re
import time

import pytest

from helpers.files import LabError
from helpers.metrics import concepts
from helpers.metrics.concept_words import CONCEPT_WORDS
from helpers.metrics.concepts import concept_scores, named_concepts
from helpers.pocket.conditions import CONCEPTS

BROWN, WHITE, PURPURA, WARTY = (
    "Brown(Hyperpigmentation)",
    "White(Hypopigmentation)",
    "Purpura/Petechiae",
    "Warty/Papillomatous",
)

NAMED = {
    # words
    "Erythema and scaling of the elbow.": ["Scale", "Erythema"],
    "An erythematous, scaly plaque": ["Plaque", "Scale", "Erythema"],
    "REDNESS AND FLAKY SKIN": ["Scale", "Erythema"],
    "reddish papules; pinkish nodules": ["Papule", "Nodule", "Erythema"],
    "A crimson rash that is weeping.": ["Exudate", "Erythema"],
    "maculopapular eruption": ["Papule", "Macule"],
    "papulopustular lesions": ["Papule", "Pustule"],
    "papulosquamous disease": ["Papule", "Scale"],
    "dry, cracked heels": ["Fissure", "Xerosis"],
    "Petechiae and palpable purpura": [PURPURA],
    "verrucous surface, wart-like": [WARTY],
    "a dome-shaped, umbilicated, translucent papule": [
        "Papule",
        "Dome-shaped",
        "Translucent",
        "Umbilicated",
    ],
    "flat-topped violaceous papules": ["Papule", "Flat topped", "Purple"],
    "hyper-pigmented and hypopigmented macules": ["Macule", BROWN, WHITE],
    "a depigmented patch": ["Patch", WHITE],
    "pigmented network": ["Pigmented"],
    "honey-coloured crust": ["Crust", "Yellow"],
    "fine telangiectasias and spider veins": ["Telangiectasia"],
    "hives on the trunk": ["Wheal"],
    "Scabs and scratch marks.": ["Crust", "Excoriation"],
    "pus-filled lesions": ["Pustule"],
    "pus on the dressing": ["Exudate"],
    "an ulcerated nodule with purulent discharge": ["Nodule", "Ulcer", "Exudate"],
    "skin-coloured": [],
    # a longer name hides the shorter one in it
    "blackheads and whiteheads": ["Comedo"],
    "black heads and open comedones": ["Comedo"],
    "salmon-pink patches": ["Patch", "Salmon"],
    "a salmon patch with a red border": ["Patch", "Erythema", "Salmon"],
    "reddish-brown macules": ["Macule", BROWN, "Erythema"],
    # ambiguous words of laymen
    "bumps, spots, pimples, sores and blisters": [],
    "small red bumps": ["Papule", "Erythema"],
    "several small, raised bumps": ["Papule"],
    "tiny fluid-filled blisters": ["Vesicle"],
    "large blisters": ["Bulla"],
    "dark spots on the cheeks": [BROWN],
    "a pale patch on the arm": ["Patch", WHITE],
    "swollen, thickened, inflamed": [],
    # words that mean something else here
    "a ruler for scale, and a scale bar": [],
    "itching on a scale of 1 to 10": [],
    "a large-scale, gray-scale image": [],
    "multiple sclerosis and cystic fibrosis": [],
    "an eye patch; patch testing; dental plaque": [],
    "squamous cell carcinoma": [],
    "covered, hundred, Fredrik, brownie, creditable": [],
}
SURROUNDINGS = {
    "brown skin, black hair, white background, red lips": [],
    "A hand with dark brown skin on a white sheet.": [],
    "light-brown skin tone": [],
    "A man with short, black hair and brown eyes wears a blue shirt.": [],
    "brown and black hair": [],
    "white or light gray hair": [],
    "blue surgical gloves": [],
    "The background is plain white.": [],
    "His hair appears to be dark brown or black, and his eyes are blue.": [],
    "The surrounding skin is light brown.": [],
    "The skin tone is brown.": [],
    "a black-and-white photograph": [],
    "The hand rests on a white surface.": [],
    "red nail polish": [],
    "a white man and a black woman": [],
    "a red arrow points at it": [],
    "The lesion is red, hair is black.": ["Erythema"],
    "It is brown and hair grows from it.": [BROWN],
    "White blood cells and red cells were normal.": [],
    "Against a blue backdrop, a red plaque.": ["Plaque", "Erythema"],
    # and what must count in spite of them
    "red skin": ["Erythema"],
    "The skin is red.": ["Erythema"],
    "red, scaly skin": ["Scale", "Erythema"],
    "a brown skin lesion": [BROWN],
    "a brown patch on brown skin": ["Patch", BROWN],
    "hyperpigmented skin": [BROWN],
    "erythematous background": ["Erythema"],
    "a red ring on the arm": ["Erythema"],
    "a white patch of hair": ["Patch", WHITE],
    "yellow toenails": ["Yellow"],
    "purple skin": ["Purple"],
    "black hair and a black nodule": ["Nodule", "Black"],
    "white scales": ["Scale", WHITE],
    "The skin is dark brown and the lesion is red.": ["Erythema"],
    "a plaque with a red surface": ["Plaque", "Erythema"],
}
DENIED = {
    "no scale": [],
    "No scale, crust, or ulcer.": [],
    "without crusting": [],
    "It is not ulcerated.": [],
    "neither red nor scaly": [],
    "There is no visible scale or crust.": [],
    "absence of scale": [],
    "free of crusts": [],
    "The lesion isn't scaly; it doesn’t ooze, no exudate.": [],
    "non-scaly, non-ulcerated plaque": ["Plaque"],
    "Scale is absent.": [],
    "Scale and crust are not seen.": [],
    "Ulceration cannot be seen.": [],
    "It cannot be determined whether there is scale.": [],
    "It is unclear if the lesion is scaly.": [],
    "none of the papules": [],
    # how far a denial goes
    "no scale but erythema": ["Erythema"],
    "Red but not scaly.": ["Erythema"],
    "a red plaque without scale": ["Plaque", "Erythema"],
    "No scale. A red plaque.": ["Plaque", "Erythema"],
    "no crust; red macules": ["Macule", "Erythema"],
    "no crust, with scattered red papules": ["Papule", "Erythema"],
    "There is no crust, and the border is red.": ["Erythema"],
    "There is no crust, the border is red.": ["Erythema"],
    "It is not crusted and is brown.": [BROWN],
    "There are no pustules, although there is redness.": ["Erythema"],
    "No lesions other than a red papule.": ["Papule", "Erythema"],
    "No abnormality except for a brown macule.": ["Macule", BROWN],
    "A red plaque is seen, and scale is absent.": ["Plaque", "Erythema"],
    "a plaque with scale absent": ["Plaque"],
    "No scale \u2013 a brown macule.": ["Macule", BROWN],
    "Not a 2.5 cm ulcer.": [],
    "No scale\nor crust.": [],
    "Surface: no scale\n- Colour: red\n\nNo crust\n\nA nodule": ["Nodule", "Erythema"],
    "Without any pain, a coin-sized red bump appeared.": ["Erythema"],
    "No symptoms, white patches are on the back.": ["Patch", WHITE],
    "No scale, crust or ulcer is seen, nor are pustules.": [],
    "No scale, crust, or ulcer is visible.": [],
    # what only looks like a denial
    "not only red but also scaly": ["Scale", "Erythema"],
    "No doubt erythema.": ["Erythema"],
    "a nodule, not itchy": ["Nodule"],
    "scale, then scale again, once not: no scale": ["Scale"],
}
# In the manner of the captions in YuanAI's Table 4: BLIP's one phrase, and Gemini's paragraph. Our
# own sentences.
CAPTIONS = {
    "the image is of a red spot on the arm of a man": ["Erythema"],
    "the image is of a person with brown skin and a white bandage on their leg": [],
    "The image shows a close-up of the inside of a person's forearm. Several small, red bumps "
    "stand in a row. The surrounding skin looks normal. There is no visible bleeding, swelling, "
    "crusting or medical equipment. The "
    "lighting is bright and the background is blurred. The person's age and gender cannot be determined.": [  # noqa: E501
        "Papule",
        "Erythema",
    ],
    "The image shows a well-defined, oval plaque with silvery-white scales on the elbow of an "
    "adult with light brown skin. The border is reddish. No injuries or ulcers are seen. The "
    "person wears a grey T-shirt and sits in front "
    "of a white wall; the setting is unclear.": ["Plaque", "Scale", WHITE, "Erythema"],
    "A single dark brown to black, slightly raised nodule, about 8 mm across, on the back. Its "
    "surface is smooth and without scale or crust, and its border is irregular. The hair is gray. "
    "It is difficult to determine whether there "
    "is pigmentation around it.": ["Nodule", BROWN, "Black"],
    "The image shows the lower lip of a woman with yellowish crusts and small vesicles at its "
    "edge. Her lips are pink. "
    "There does not appear to be any discharge, but the skin around the mouth is dry and slightly red.": [  # noqa: E501
        "Vesicle",
        "Crust",
        "Xerosis",
        "Yellow",
        "Erythema",
    ],
}


@pytest.mark.parametrize(
    "text, expected",
    [
        *NAMED.items(),
        *SURROUNDINGS.items(),
        *DENIED.items(),
        *CAPTIONS.items(),
        ("", []),
        (" \n", []),
    ],
)
def test_named_concepts(text, expected):
    assert named_concepts(text) == expected


def test_every_concept_has_words_and_is_named_by_its_own():
    assert list(CONCEPT_WORDS) == list(CONCEPTS)
    for concept in CONCEPTS:
        for word in re.split(r"[/()]", concept.rstrip(")")):
            assert concept in named_concepts(f"One sees {word.lower()} here."), word
            assert named_concepts(f"There is no {word.lower()} here.") == [], word


def test_a_long_text_takes_no_long_time():
    started = time.process_time()
    texts = (
        "red and brown, " * 4000,
        "small " * 8000,
        "no scale " * 4000,
        "white or " * 4000,
        "hair is very " * 6000,
        "red. no scale. " * 3000,
        " " * 60_000,
        "scale is absent " * 3000,
        "papulo" * 9000,
        "with no red, " * 3000,
        "white dark " * 4000,
    )
    for text in texts:
        named_concepts(text)
    assert time.process_time() - started < 5


# Scores


def test_scores_by_hand():
    result = concept_scores(
        [
            (["Plaque", "Scale"], "A scaly, red plaque."),  # 2 right of 3 named, 2 true
            (["Papule", "Erythema"], "A brown papule."),  # 1 right of 2, 2 true
            (["Ulcer"], "An arm."),  # nothing named, 1 true
            ([], "A red macule."),  # nobody noted what is in it
            (["Itch"], "A red macule."),  # nor here: no concept
        ]
    )
    precision, recall = result["precision"], result["recall"]
    assert (result["cases"], result["left_out"]) == (3, 2)
    assert (precision.value, precision.n) == (pytest.approx(3 / 5), 2)
    assert (recall.value, recall.n) == (pytest.approx(3 / 5), 3)
    # The two captions drawn anew: 2/3 at best, 1/2 at worst. The three cases: all of the first, or
    # of the third.
    assert (precision.low, precision.high) == (pytest.approx(1 / 2), pytest.approx(2 / 3))
    assert (recall.low, recall.high) == (0, 1)
    assert result["concepts"] == {
        "Papule": {"true": 1, "named": 1, "precision": 1.0, "recall": 1.0},
        "Plaque": {"true": 1, "named": 1, "precision": 1.0, "recall": 1.0},
        "Ulcer": {"true": 1, "named": 0, "precision": None, "recall": 0.0},
        "Scale": {"true": 1, "named": 1, "precision": 1.0, "recall": 1.0},
        BROWN: {"true": 0, "named": 1, "precision": 0.0, "recall": None},
        "Erythema": {"true": 1, "named": 1, "precision": 0.0, "recall": 0.0},
    }


def test_scores_without_a_denominator():
    assert (
        concept_scores([])
        == concept_scores([([], "red")]) | {"left_out": 0}
        == {
            "precision": None,
            "recall": None,
            "cases": 0,
            "left_out": 0,
            "concepts": {},
        }
    )
    silent = concept_scores([(["Scale"], ""), (["Scale", "Scale"], "No scale.")])
    assert silent["precision"] is None
    assert (silent["recall"].value, silent["recall"].low, silent["recall"].high) == (0, 0, 0)
    assert silent["concepts"] == {
        "Scale": {"true": 2, "named": 0, "precision": None, "recall": 0.0}
    }


def test_the_same_pairs_give_the_same_scores_and_the_signature_tells_the_words(monkeypatch):
    pairs = [
        (["Scale", "Erythema"], "red" if number % 3 else "scaly, brown") for number in range(30)
    ]
    first, second = concept_scores(pairs), concept_scores(pairs)
    assert first == second
    assert (
        first["recall"].low < first["recall"].value < first["recall"].high
        or first["recall"].value == 0.5
    )
    assert first["precision"].low < first["precision"].value < first["precision"].high
    signatures = [first[name].signature for name in ("precision", "recall")]
    assert [signature.split("|")[1] for signature in signatures] == [
        "precision:micro",
        "recall:micro",
    ]
    assert all(
        signature.startswith("concepts|") and signature.endswith("|v:1") for signature in signatures
    )
    monkeypatch.setattr(concepts, "CONCEPT_WORDS", CONCEPT_WORDS | {"Cyst": ("cysts?",)})
    assert concept_scores(pairs)["recall"].signature != signatures[1]


@pytest.mark.parametrize(
    "pair", [("A red plaque.", ["Plaque"]), ("Plaque", "A plaque."), (["Plaque"], None)]
)
def test_a_pair_the_wrong_way_round_is_refused(pair):
    with pytest.raises(LabError, match="its list of true concepts and its caption were expected"):
        concept_scores([pair])


def test_the_pocket_clinics_own_concepts_are_among_those(clinic):
    from helpers.data import load_dataset

    cases = load_dataset("pocket", clinic / "iiyi").split("valid")
    result = concept_scores([(case.concepts, " ".join(case.concepts)) for case in cases])
    assert result["left_out"] == 0
    assert result["precision"].value == result["recall"].value == 1
