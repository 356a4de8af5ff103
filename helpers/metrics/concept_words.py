"""The words by which a caption names SKINCON's concepts or denies them, and those of surroundings.

Surroundings are things other than lesions that have the same colours. Everything here is a pattern
of a regular expression for folded text (see `concepts`): small letters, spaces for hyphens.
"""

# Concept -> the words that name it, each a whole word. British and American spelling, plurals,
# adjectives, and those lay and clinical synonyms that mean this and nothing else. Left out on
# purpose, because they are ambiguous:
# - bump (papule, nodule, wheal or pustule; but a small bump is a papule), lump (nodule, cyst or
#   tumour), spot (macule, papule or pimple; dark spots are brown), pimple and zit (papule or
#   pustule), blister (vesicle or bulla by its size: only small and large ones count);
# - sore (ulcer, erosion or crust), boil (furuncle or abscess), thickened (lichenified or
#   indurated), firm, raised, bruise (see Purpura), rash, swollen, shiny, patchy, pearly;
# - wart, mole and keloid (diagnoses); dark, pale and light (of skin more often than of lesions,
#   but see the patches).
CONCEPT_WORDS = {
    "Vesicle": (
        "vesicles?",
        "vesicular",
        "vesiculation",
        "vesiculo",
        "(?:small|tiny|pinhead),? (?:\\w+,? ){0,2}blisters?",
    ),
    "Papule": (
        "papules?",
        "papular",
        "maculopapular",
        "papulo\\w*",
        "(?:small|tiny|little),? (?:\\w+,? ){0,2}bumps?",
    ),
    "Macule": ("macules?", "macular(?! degen)", "maculo\\w*"),
    "Plaque": ("(?<!dental )plaques?",),
    "Abscess": ("abscess(?:es)?", "abscessed"),
    "Pustule": ("pustules?", "pustular", "\\w*pustulo\\w*", "papulopustul\\w+", "pus filled"),
    "Bulla": ("bullae?", "bullas", "bullous", "(?:large|big),? (?:\\w+,? ){0,2}blisters?"),
    "Patch": ("(?<!eye )(?<!nicotine )patch(?:es)?(?! test)",),
    "Nodule": ("nodules?", "nodular", "nodulo\\w*"),
    "Ulcer": ("ulcers?", "ulcerat\\w+", "ulcerous"),
    "Crust": ("crusts?", "crusted", "crusting", "crusty", "scabs?", "scabbed", "scabbing"),
    "Erosion": ("erosions?", "eroded", "erosive", "denuded"),
    # Scratches are what excoriations are in plain words.
    "Excoriation": ("excoriat\\w+", "scratch marks?", "scratches", "scratched"),
    "Atrophy": ("atrophy", "atrophic", "atrophied", "skin thinning", "thinning of the skin"),
    # Pus that is no pustule's is an exudate.
    "Exudate": (
        "exudates?",
        "exudative",
        "exudation",
        "weeping",
        "ooz(?:es?|ing|y)",
        "discharge",
        "drainage",
        "draining",
        "purulent",
        "pus(?! filled)",
    ),
    # A bruise is an ecchymosis, a large purpura; captions speak of bruises where they look for
    # injuries, though.
    "Purpura/Petechiae": (
        "purpuras?",
        "purpuric",
        "petechiae?",
        "petechial",
        "ecchymos[ei]s",
        "ecchymotic",
    ),
    "Fissure": ("fissures?", "fissured", "fissuring", "cracks?", "cracked", "cracking"),
    "Induration": ("induration", "indurated", "hardened", "hardening"),
    "Xerosis": ("xerosis", "xerotic", "dry", "dryness", "dried out"),
    "Telangiectasia": (
        "telangiectasi\\w+",
        "telangiectatic",
        "telangiectases",
        "(?:spider|thread) veins?",
        "(?:dilated|broken|visible) (?:\\w+ )?(?:blood vessels|capillaries|vessels)",
    ),
    # Not the scale of a ruler or a rating. Peeling is desquamation, which is scale.
    "Scale": (
        "(?<!to )(?<!for )(?<!large )(?<!full )(?<!rating )scale(?! (?:bar|of \\d|of one|from))",
        "scales",
        "scaly",
        "scaling",
        "scaliness",
        "flak(?:es?|y|ing|iness)",
        "peeling",
        "desquamat\\w+",
        "\\w*squamous(?! cell)",
    ),
    "Scar": ("scars?", "scarred", "scarring", "cicatri(?:x|ces|cial)"),
    "Friable": ("friable", "friability", "bleeds easily", "easily bleed\\w*"),
    # Not the diseases of nerves and organs.
    "Sclerosis": (
        "(?<!multiple )(?<!tuberous )(?<!systemic )sclerosis",
        "sclerotic",
        "sclerosed",
        "sclerosing",
    ),
    "Pedunculated": ("pedunculated", "stalked", "(?:on|with|by) a (?:\\w+ )?stalk"),
    "Exophytic/Fungating": ("exophytic", "fungating"),
    "Warty/Papillomatous": (
        "warty",
        "wart like",
        "verruc(?:ous|oid|ose|iform)",
        "papillomat(?:ous|osis)",
    ),
    "Dome-shaped": ("dome shaped?", "domed", "dome like"),
    "Flat topped": ("flat topped", "flat tops?"),
    "Brown(Hyperpigmentation)": (
        "brown",
        "brownish",
        "tan",
        "hyperpigment\\w+",
        "darkened",
        "darkening",
        "dark(?:er)? (?:patch(?:es)?|spots?|macules?)",
        "darker than (?:the |its )?(?:surrounding|normal|adjacent)",
    ),
    "Translucent": ("(?:semi)?translucent", "see through"),
    "White(Hypopigmentation)": (
        "white",
        "whitish",
        "whiteness",
        "hypopigment\\w+",
        "depigment\\w+",
        "hypomelano\\w+",
        "(?:pale|lighter) (?:patch(?:es)?|spots?|macules?)",
        "lighter than (?:the |its )?(?:surrounding|normal|adjacent)",
    ),
    "Purple": ("purple", "purplish", "violaceous", "violet", "lilac", "heliotrope"),
    # Honey-coloured crusts are yellow ones.
    "Yellow": ("yellow", "yellowish", "golden (?=crust)", "honey colou?red"),
    "Black": ("black", "blackish", "blackened"),
    # Inflamed is not enough: it may mean swollen, or be an opinion. The names of diseases
    # ("erythema nodosum") count.
    "Erythema": (
        "erythemas?",
        "erythematous",
        "red",
        "reds",
        "redness",
        "redder",
        "reddish",
        "reddened",
        "pink",
        "pinkish",
        "crimson",
        "scarlet",
        "ruddy",
        "flushed",
        "flushing",
    ),
    "Comedo": ("comedo", "comedos", "comedon\\w*", "(?:black|white) ?heads?"),
    "Lichenification": ("lichenification", "lichenified", "leathery"),
    "Blue": ("blue", "blu(?:e)?ish", "cyanotic", "cyanosis"),
    "Umbilicated": ("umbilicat\\w+", "central(?:ly)? (?:dell|dimpled?|depression)"),
    "Poikiloderma": ("poikiloderma\\w*",),
    "Salmon": ("salmon(?: pink| red| colou?red)?",),
    "Wheal": ("wheals?", "weals?", "hives", "welts?", "urticarial"),
    "Acuminate": ("acuminated?",),
    "Burrow": ("burrows?",),
    "Gray": ("gr[ae]y", "gr[ae]yish"),
    "Pigmented": ("pigmented", "pigmentation", "pigmentary"),
    "Cyst": ("cysts?", "cystic(?! fibrosis)"),
}

# The colours that surroundings may have. Clinical words (erythematous, hyperpigmented) are never of
# surroundings.
_COLOUR = (
    r"(?:brown(?:ish)?|tan|white|whitish|purpl(?:e|ish)|violet|lilac|yellow(?:ish)?|black|"
    r"red(?:dish)?|pink(?:ish)?|"
    r"crimson|scarlet|blu(?:e|ish)|gr[ae]y(?:ish)?|salmon)"
)
# Of these some people's healthy skin is; nobody's is red, purple, blue, grey or yellow, so "red
# skin" is erythema.
_TONE = r"(?:brown(?:ish)?|tan|white|whitish|black|pink(?:ish)?)"
_ADJECTIVES = (
    r"(?:(?:very|dark|light|medium|pale|deep|bright|plain|solid|short|long|curly|straight|thick|"
    r"thin|fine|coarse|wavy|"
    r"facial|body|pubic|scalp|surgical|medical|hospital|cotton|latex|nitrile|plastic|leather|"
    r"knitted|wooden|tiled|"
    r"blurr(?:y|ed)|uniform|smooth|clean|soft|striped|coloured|colored|in colou?r) ){0,5}"
)
_JOIN = r"(?:,? (?:and|or|to) |, | ?/ ?| )"
_COLOURS = rf"{_COLOUR}(?:{_JOIN}{_ADJECTIVES}{_COLOUR}){{0,5}}"
_TONES = rf"{_TONE}(?:{_JOIN}{_ADJECTIVES}{_TONE}){{0,5}}"
_THING = (
    r"(?:hairs?|haired|beard|stubble|moustache|mustache|eyebrows?|eyelash(?:es)?|eyes?|eyed|iris|"
    r"irises|pupils?|lips?|lipstick|teeth|nail (?:polish|varnish|lacquer)|background(?: colou?r)?|"
    r"backdrop|skin (?:tones?|colou?r|type)|complexion|(?:wo)?m[ae]n|person|people|male|female|"
    r"patients?|child(?:ren)?|baby|boy|girl|individual|t ?shirt|shirt|blouse|jacket|coat|sweater|"
    r"dress|skirt|trousers|pants|shorts|jeans|socks?|shoes?|clothes|clothing|fabric|textile|"
    r"gloves?|gown|mask|hat|scarf|bracelet|necklace|earrings?|sheets?|towels?|blanket|cloth|pillow|"
    r"sofa|couch|chair|carpet|drapes?|paper|table|desk|counter|wall|floor|gauze|bandages?|dressing|"
    r"plaster|tape|cream|ointment|marker|ink|pen|arrows?|text|letters?|label|ruler|light|lighting|"
    r"flash)"
)
# A noun after "brown skin" shows that the lesion is meant: a brown skin lesion, a brown skin tag.
_NO_LESION = (
    r"(?! (?:lesions?|patch|patches|plaques?|tags?|growths?|rash|changes?|nodules?|spots?|"
    r"discolou?ration|eruptions?|"
    r"papules?|macules?|bumps?|tumou?rs?|marks?))"
)
_IS = (
    r"(?:is|are|was|were|appears?|appearing|looks?|seems?)(?: to be)?"
    r"(?: (?:of|a|in|mostly|mainly|uniformly|plain|solid|very|also)){0,5}"
)
SURROUNDINGS = (
    r"\bgr[ae]y ?scale\b",
    r"\b(?:red|white) (?:blood )?cells?\b",
    r"\bblack (?:and|&) white (?:photo\w*|image|picture|print)\b",
    r"\b(?:photo\w*|image|picture) (?:is )?in black and white\b",
    # "brown and black hair", "dark brown skin tone", "blue surgical gloves"
    rf"\b{_COLOURS} {_ADJECTIVES}{_THING}\b{_NO_LESION}",
    rf"\b{_TONES} {_ADJECTIVES}(?:skin(?:ned)?|tones?)\b{_NO_LESION}",
    # "the background is white", "his hair appears to be dark brown or black"
    rf"\b{_THING} {_IS} {_ADJECTIVES}{_COLOURS}\b",
    rf"(?<!affected )(?<!lesional )\bskin {_IS} {_ADJECTIVES}{_TONES}\b",
    # "on a white surface": where the hand lies. A lesion has a surface, but is not on one.
    rf"\b(?:on|against|over) (?:a|an|the) {_ADJECTIVES}{_COLOURS} {_ADJECTIVES}surface\b",
)

# What denies all that follows, up to the end of its clause or one of `SCOPE_ENDS`.
DENIALS = (
    r"\b(?:no|not|none|without|neither|nor|never|cannot|can't|isn't|aren't|wasn't|weren't|"
    r"doesn't|don't|lacks?|lacking|"
    r"denies|absence of|free (?:of|from)|devoid of|negative for|rather than|instead of|unlike|"
    r"rules? out|ruled out|"
    r"(?:unclear|uncertain|unknown) (?:whether|if)|(?:impossible|difficult|hard|unable) to)\b"
)
# No denials: "not only red but scaly", "no doubt red".
NO_DENIALS = (
    r"(?:not (?:only|just|merely|uncommon\w*|limited)|no doubt|without (?:a |any )?doubt|"
    r"none the less)\b"
)
# What denies the next word only: "non scaly".
DENIALS_OF_ONE_WORD = r"\bnon (\w+)"
# What denies that which it is said of: "scale is absent", "crust and ulceration are not seen".
BACKWARD = (
    r"\b(?:(?:is|are|was|were|appears?) (?:completely |also |notably )?absent|absent\b|"
    r"(?:is|are|was|were) (?:not|nowhere) (?:\w+ly )?(?:seen|visible|present|evident|noted|"
    r"observed|apparent|"
    r"identified|noticeable|appreciated|discernible|found)|"
    r"(?:cannot|can't|could not) be (?:\w+ly )?(?:seen|determined|assessed|judged|confirmed|"
    r"identified|excluded)|"
    r"(?:isn't|aren't) (?:\w+ly )?(?:seen|visible|present|evident))\b"
)
# A clause ends with a sentence, a semicolon or a contrast.
CLAUSE_ENDS = (
    r"[.!?;:](?= |$)|\b(?:but|however|although|though|yet|while|whereas|except|apart from|"
    r"aside from|other than|"
    r"besides|despite|only|because)\b"
)
# Within a clause, a denial ends where something else is said of something: "no crust, with red
# papules", "no crust, and the border is red", "not crusted and is red", "without any pain, red
# spots appeared" (but not "no scale, crust or ulcer is seen").
SCOPE_ENDS = (
    r"\bwith\b|(?<!whether)(?<! if),? (?:and |so )?(?:there|here|which|it|this|these|he|she|they) "
    r"(?:is|are|was|has|have|shows?|appears?)\b|"
    r", (?:and )?(?:the|its|it|there|this|these|just|instead)\b|"
    r"\b(?:and|which|that) (?:is|are|has|have|shows?|appears?|looks?)\b|"
    r", (?!and\b)(?=(?:(?!,|\bn?or\b).){0,80}?\b(?:is|are|was|were|has|have|appear(?:s|ed)?|"
    r"show(?:s|ed)?|can be|"
    r"stands?|covers?|surrounds?|extends?|developed|occurred)\b)|"
    r"\bsurrounded by\b|\blocated\b"
)
