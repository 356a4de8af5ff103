"""The words by which an answer names one of SkinGPT-4's classes, besides the clinic's conditions.

Chosen by common sense, for the folders of Dermnet that make up a class (`data/dermnet.yaml`): a
class is as wide as its folders. No thesaurus: a disease that stands nowhere here is not found.
Names are singular (plurals are found by themselves) and in American spelling where that is only
"e" for "ae" or "oe"; hyphens are spaces. The longer of two names that begin together wins, so that
"dermatitis herpetiformis" is not dermatitis: names that hold the word of another class stand here
for that reason.

Left out because they mean too much: rash, infection, lesion, growth, spot, pimple, blister, bite
without an animal, boil, birthmark, cancer without the skin, adjectives (eczematous, psoriatic).
"""

CLASS_WORDS = {
    "Acne and rosacea": (
        *("acne", "rosacea", "rhinophyma"),
        *("perioral dermatitis", "periorificial dermatitis", "hidradenitis suppurativa"),
    ),
    "Malignant lesions": (
        *("malignant lesion", "malignant tumor", "malignant tumour", "carcinoma"),
        *("skin cancer", "non melanoma skin cancer", "keratoacanthoma"),
        *("actinic keratosis", "solar keratosis", "actinic cheilitis"),
        *("bowen's disease", "bowen disease", "mycosis fungoides", "cutaneous lymphoma"),
    ),
    "Dermatitis": (
        *("dermatitis", "neurodermatitis", "eczema", "lichen simplex", "pompholyx", "dyshidrosis"),
        *("exanthem", "exanthema", "drug eruption", "drug rash", "poison ivy"),
        *("diaper rash", "nappy rash"),
    ),
    "Bullous disease": (
        *("bullous disease", "bullous disorder", "bullous dermatosis", "blistering disease"),
        *("pemphigoid", "pemphigus", "epidermolysis bullosa", "dermatitis herpetiformis"),
        *("herpes gestationis", "hailey hailey disease"),
    ),
    "Bacterial infections": (
        *("bacterial infection", "bacterial skin infection", "cellulitis", "impetigo"),
        *("folliculitis", "furuncle", "carbuncle", "erysipelas", "ecthyma", "erythrasma"),
        *("staph infection", "staphylococcal infection", "leprosy", "lupus vulgaris"),
    ),
    "Light diseases": (
        *("light disease", "light eruption", "sunburn", "sun damage", "sun damaged skin"),
        *("photosensitivity", "photodermatitis", "photodermatosis", "phototoxic reaction"),
        *("solar dermatitis", "vitiligo", "melasma", "chloasma", "albinism"),
        *("pigmentation disorder", "pigmentary disorder", "disorder of pigmentation"),
        *("post inflammatory hyperpigmentation", "postinflammatory hyperpigmentation"),
    ),
    "Connective tissue diseases": (
        *("connective tissue disease", "lupus", "lupus erythematosus", "scleroderma", "morphea"),
        *("systemic sclerosis", "dermatomyositis"),
    ),
    "Benign tumors": (
        *("benign tumor", "benign tumour", "seborrheic keratosis", "dermatofibroma", "lipoma"),
        *("skin tag", "acrochordon", "epidermoid cyst", "epidermal cyst", "sebaceous cyst"),
        *("sebaceous hyperplasia", "neurofibroma", "keloid", "syringoma"),
    ),
    "Melanoma, nevi and moles": ("melanoma", "lentigo maligna", "nevus", "mole"),
    "Fungal infections": (
        *("fungal infection", "fungal skin infection", "fungal disease", "fungus", "mycosis"),
        *("nail fungus", "onychomycosis", "tinea", "ringworm", "athlete's foot", "jock itch"),
        *("dermatophytosis", "candidiasis", "candida", "yeast infection", "sporotrichosis"),
    ),
    "Psoriasis and lichen planus": (
        *("psoriasis", "lichen planus", "parapsoriasis"),
        *("pityriasis rosea", "pityriasis rubra pilaris"),
    ),
    "Infestations and bites": (
        *("infestation", "scabies", "lice", "louse", "pediculosis", "larva migrans", "myiasis"),
        *("lyme disease", "erythema migrans", "arthropod bite", "insect bite", "bug bite"),
        *("flea bite", "tick bite", "spider bite", "mosquito bite", "bed bug bite", "bedbug bite"),
    ),
    "Urticaria": ("urticaria", "hives", "angioedema", "dermographism", "dermatographism"),
    "Vascular tumors": (
        *("vascular tumor", "vascular tumour", "vascular malformation", "pyogenic granuloma"),
        *("hemangioma", "angioma", "angiokeratoma", "lymphangioma", "port wine stain"),
        *("kaposi's sarcoma", "kaposi sarcoma"),
        *("spider nevus", "strawberry nevus", "nevus flammeus"),
    ),
    # Dermnet keeps other diseases that are passed on by sex in the same folder.
    "Herpes": (
        *("herpes", "cold sore", "fever blister", "shingles", "zoster", "herpetic whitlow"),
        *("eczema herpeticum", "genital wart", "condyloma", "syphilis"),
    ),
    # No class to be scored, but an answer that says wart first says no class.
    "Others": (
        *("wart", "verruca", "verrucae", "molluscum", "alopecia", "hair loss", "vasculitis"),
        *("systemic disease", "mastocytosis", "urticaria pigmentosa"),
    ),
}
