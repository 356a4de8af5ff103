"""Prompts as data: the wording that the papers used, and how a case is put into it."""

from helpers.cases import Case
from helpers.files import fingerprint

# YuanAI, section 3.3: the same instruction for every case.
MEDICAL_ADVICE = "Give me a medical advice"

# The Alpaca template of the Unsloth notebook that YuanAI built on; the answer and the model's EOS follow.
ALPACA_PREAMBLE = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
)
ALPACA_BLOCK = "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"


def alpaca(question: str, shots: list[tuple[str, str]] = (), instruction: str = MEDICAL_ADVICE) -> str:
    """The Alpaca prompt for a question, after worked examples (question, answer) if there are any.

    YuanAI does not say how the shots were laid out. Here the preamble stands once, then each shot is one
    block with its answer, then comes the question's block with an empty response.
    """
    blocks = [ALPACA_BLOCK.format(instruction=instruction, input=asked) + answer + "\n\n" for asked, answer in shots]
    return ALPACA_PREAMBLE + "".join(blocks) + ALPACA_BLOCK.format(instruction=instruction, input=question)


def prompt_id() -> str:
    """What identifies the wording: a name, and a hash that changes when a word of it does."""
    return "alpaca-" + fingerprint([ALPACA_PREAMBLE, ALPACA_BLOCK, MEDICAL_ADVICE])[:6]


def asked(case: Case) -> str:
    """What the model is asked: the title only, as YuanAI did, because most posts have no content (section 3.3)."""
    return case.question
