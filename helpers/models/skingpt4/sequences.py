"""The texts of SkinGPT-4, word for word, and the token sequences that its code makes of them.

Each piece of a text is tokenized by itself and without special tokens, so that each begins with
Llama's prefix space; one begin token stands before everything.
"""

from helpers.models.skingpt4.model import QUERIES

END = "###"
PLACE = "<ImageHere>"
TEMPLATE = "###Human: {} ###Assistant: "
# Published as alignment_concept.txt and alignment_skin.txt; of step 2 one is drawn for each batch.
CONCEPT_PROMPTS = (
    "<Img><ImageHere></Img> Could you describe the medical concepts of skin disease in this image "
    "for me?",
)
DISEASE_PROMPTS = (
    "<Img><ImageHere></Img> What's wrong with my skin?",
    "<Img><ImageHere></Img> Could you describe the skin disease in this image for me?",
)
CHAT = (
    "Give the following image: <Img>ImageContent</Img>. You will be able to see the image once I "
    "provide it to you. Please answer my questions.###Human: <Img><ImageHere></Img> {}###Assistant:"
)


def chat_ids(tokenizer, question: str) -> list[int]:
    """Return the tokens of the demo's first question about a picture.

    Its prompt ends in "Assistant:", where training has a space behind: the original's mismatch.
    """
    return with_places(tokenizer, CHAT.format(question))


def answer_of(text: str) -> str:
    """Cut an answer as the demo does: up to the end sign, behind the last "Assistant:"."""
    return text.partition(END)[0].rpartition("Assistant:")[2].strip()


def with_places(tokenizer, text: str) -> list[int]:
    """Tokenize a text with a picture's places in it, the begin token first."""
    before, _, after = text.partition(PLACE)
    places = [tokenizer.unk_token_id] * QUERIES
    return [tokenizer.bos_token_id, *ids_of(tokenizer, before), *places, *ids_of(tokenizer, after)]


def ids_of(tokenizer, text: str) -> list[int]:
    """Tokenize a piece of a text by itself."""
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found
