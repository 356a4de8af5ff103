"""The terms of the clinic: concepts, classes, what is drawn, and what patients tell."""

# SKINCON's 48 concepts, spelled and ordered as in the header of its annotations.
CONCEPTS = (
    "Vesicle",
    "Papule",
    "Macule",
    "Plaque",
    "Abscess",
    "Pustule",
    "Bulla",
    "Patch",
    "Nodule",
    "Ulcer",
    "Crust",
    "Erosion",
    "Excoriation",
    "Atrophy",
    "Exudate",
    "Purpura/Petechiae",
    "Fissure",
    "Induration",
    "Xerosis",
    "Telangiectasia",
    "Scale",
    "Scar",
    "Friable",
    "Sclerosis",
    "Pedunculated",
    "Exophytic/Fungating",
    "Warty/Papillomatous",
    "Dome-shaped",
    "Flat topped",
    "Brown(Hyperpigmentation)",
    "Translucent",
    "White(Hypopigmentation)",
    "Purple",
    "Yellow",
    "Black",
    "Erythema",
    "Comedo",
    "Lichenification",
    "Blue",
    "Umbilicated",
    "Poikiloderma",
    "Salmon",
    "Wheal",
    "Acuminate",
    "Burrow",
    "Gray",
    "Pigmented",
    "Cyst",
)

# SkinGPT-4's fifteen classes, without its sixteenth ("others").
CLASSES = (
    "Acne and Rosacea",
    "Malignant lesions",
    "Dermatitis",
    "Bullous",
    "Bacterial",
    "Light diseases",
    "Connective tissue",
    "Benign tumours",
    "Melanoma, nevi and moles",
    "Fungal",
    "Psoriasis and lichen planus",
    "Infestations and bites",
    "Urticaria",
    "Vascular tumours",
    "Herpes",
)

# The concept of each colour and surface that is drawn; a surface not named here has none.
COLOUR_CONCEPTS = {
    "red": "Erythema",
    "pink": "Erythema",
    "crimson": "Erythema",
    "salmon": "Salmon",
    "purple": "Purple",
    "brown": "Brown(Hyperpigmentation)",
    "black": "Black",
    "white": "White(Hypopigmentation)",
    "yellow": "Yellow",
}
SURFACE_CONCEPTS = {
    "scaly": "Scale",
    "crusted": "Crust",
    "weeping": "Exudate",
    "dry": "Xerosis",
    "warty": "Warty/Papillomatous",
}
SECTIONS = ("told", "posts", "doctors", "annotators", "textbook")
PRIMARIES = (
    "papule",
    "macule",
    "patch",
    "plaque",
    "nodule",
    "pustule",
    "vesicle",
    "bulla",
    "wheal",
)
SURFACES = (*SURFACE_CONCEPTS, "smooth", "shiny", "tense", "blistered")
BORDERS = ("sharp", "blurred", "raised", "rolled", "irregular", "violet", "halo", "collar")
ARRANGEMENTS = ("isolated", "scattered", "clustered", "symmetric", "ring", "row", "band")
NUMBERS = ("single", "several", "numerous")
# The units of a duration with the longest told in each, and the ages of each group, in years.
DURATIONS = {"days": 9, "weeks": 7, "months": 11, "years": 12}
AGES = {"toddler": (2, 3), "child": (4, 12), "teen": (13, 19), "adult": (20, 59), "older": (60, 88)}
# The ages, in years, at which these parts of a history are plausible.
LIVES = {"pregnancy": (18, 44), "smoker": (18, 99), "outdoor_work": (40, 99), "stress": (10, 99)}
