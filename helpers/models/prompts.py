"""Prompts as data: the wording that the papers used, how a case is put into it, and how a model's
own form wraps it.

A prompt is either plain text (Alpaca, for base models) or chat messages (for chat models and API
models), which the model's own template turns into text.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from helpers.cases import Case
from helpers.data.records import TAKEN_DOWN
from helpers.files import LabError, fingerprint
from helpers.settings.section import Section, setting

# YuanAI, section 3.3: the same instruction for every case.
MEDICAL_ADVICE = "Give me a medical advice"

# The Alpaca template of the Unsloth notebook that YuanAI built on; the answer and the model's EOS
# follow.
ALPACA_PREAMBLE = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n"
)
ALPACA_BLOCK = "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
# Where the next block would begin; a base model that has answered goes on with one of its own
# making.
NEXT_BLOCK = "\n\n### "
CHAT_TURN = "{instruction}\n\n{input}"
IMAGE_LINE = "Picture: {text}"

# What a captioner is asked. YuanAI's BLIP captions all begin with "The image is of" (Table 4), so
# that was its prefix; their prompt for Gemini is not given: this one asks for what its captions in
# Table 4 speak of.
CAPTION_PREFIX = "the image is of"
CLINICAL_PROMPT = (
    "Describe this photograph for a dermatologist who cannot see it. Say, as far as it can be "
    "seen: the body site; number, arrangement, kind, size, colour, border and surface of the "
    "lesions; the surrounding skin; injuries, discolouration or medical equipment; setting and "
    "lighting; age, gender, expression and posture of the person. Say what cannot be determined. "
    "Do not name a diagnosis."
)

# VisionQAries' Table 1, word for word but for "USER: <IMAGE>", which the model's own template
# writes: before and after what the patient wrote.
VISUAL_PROMPTS = {
    "P1": (
        "This is additional information about the dermatology issue on the image:",
        "What dermatological disease is on the image and how can it be treated?",
    ),
    "P2": (
        "Patient wants to find out what dermatological disease he suffers from. Considering "
        "patient additional description:",
        "Answer two questions: 1. What dermatological disease is on the image? 2. How can it be "
        "treated?",
    ),
}

# Where the image stands in a text; in one without this sign it stands before all words.
IMAGE_PLACE = "\N{OBJECT REPLACEMENT CHARACTER}"
# Med-Idefics' instructions, word for word, which stand before the image, the question behind it.
# Stage 1 has none; the single stage was trained with another one than it was evaluated with.
INSTRUCTIONS = {
    "caption": "",
    "brief": "Answer briefly.",
    "expert": (
        "You are an expert radiologist evaluating the case, answer the question succinctly based "
        "on the medical image."
    ),
    "single_stage": (
        "You are an expert radiologist, briefly answer the question based on the image."
    ),
    # SkinGPT-4's prompts have none. Its demo says this, and is asked in another form than it was
    # trained in (see `skingpt4.processor`).
    "concepts": "",
    "disease": "",
    "demo": (
        "Give the following image: <Img>ImageContent</Img>. You will be able to see the image once "
        "I provide it to you. Please answer my questions."
    ),
}
# What is asked of an image that comes without a question; of several one is drawn for each case.
# SkinGPT-4's are word for word; `CAPTION_REQUEST` is ours, and what all other prompts ask.
CAPTION_REQUEST = "What does this image show?"
DISEASE_REQUEST = "Could you describe the skin disease in this image for me?"
REQUESTS = {
    "caption": (CAPTION_REQUEST,),
    "concepts": ("Could you describe the medical concepts of skin disease in this image for me?",),
    "disease": ("What's wrong with my skin?", DISEASE_REQUEST),
    "demo": (DISEASE_REQUEST,),
}


VlmPromptName = Literal[
    "P1", "P2", "caption", "brief", "expert", "single_stage", "concepts", "disease", "demo"
]


class LlmPrompt(Section):
    """How a case is put to an LLM."""

    layout: Literal["alpaca", "chat"] = setting(
        "alpaca",
        "alpaca for base models, chat for a chat model's own template",
        parameter="PROMPT",
    )
    question: Literal["title", "title+content"] = setting(
        "title", "what is asked: title, or title+content"
    )
    profiles: ClassVar = {"laptop": {"layout": "chat"}}

    def identity(self) -> dict[str, Any]:
        """Identify the wording."""
        return {"prompt": prompt_id(self.layout, self.question)}

    def about(self) -> dict[str, Any]:
        """Return what a run's record says of the prompt for readers."""
        return self.identity()


class VlmPrompt(Section):
    """How a case is put to a VLM: by VisionQAries' two prompts, Med-Idefics' instructions or
    SkinGPT-4's requests.
    """

    name: VlmPromptName = setting(
        "P1",
        "P1 or P2 (VisionQAries); caption, brief, expert or single_stage (Med-Idefics); concepts, "
        "disease or demo (SkinGPT-4)",
        parameter="PROMPT",
    )

    def identity(self) -> dict[str, Any]:
        """Identify the wording."""
        words = list(VISUAL_PROMPTS.get(self.name, ())) or [INSTRUCTIONS[self.name]]
        words += REQUESTS.get(self.name, ())
        return {"prompt": f"{self.name}-{fingerprint(words)[:6]}"}

    def about(self) -> dict[str, Any]:
        """Return what a run's record says of the prompt for readers."""
        return self.identity()


Messages = list[dict]  # chat turns: {"role": ..., "content": text, or parts of text and images}
Prompt = str | Messages


def build_prompt(
    question: str, shots: Sequence[tuple[str, str]] = (), *, layout: str = "alpaca"
) -> Prompt:
    """The prompt for a question after worked examples (question, answer), in a layout.

    "alpaca" gives text, "chat" gives messages: each shot is a user's turn and its answer the
    assistant's.
    """
    if layout == "alpaca":
        return alpaca(question, shots)
    messages = []
    for asked_before, answer in shots:
        messages += [_user(asked_before), {"role": "assistant", "content": answer}]
    return [*messages, _user(question)]


def as_messages(prompt: Prompt) -> Messages:
    """A prompt as chat messages; plain text is one user's turn."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def alpaca(
    question: str, shots: Sequence[tuple[str, str]] = (), instruction: str = MEDICAL_ADVICE
) -> str:
    """The Alpaca prompt for a question, after worked examples (question, answer) if there are any.

    YuanAI does not say how the shots were laid out. Here the preamble stands once, then each shot
    is one block with its answer, then comes the question's block with an empty response.
    """
    blocks = [
        ALPACA_BLOCK.format(instruction=instruction, input=asked) + answer + "\n\n"
        for asked, answer in shots
    ]
    return (
        ALPACA_PREAMBLE
        + "".join(blocks)
        + ALPACA_BLOCK.format(instruction=instruction, input=question)
    )


def stop_text(layout: str, ends: str) -> str:
    """The text that ends an answer besides the model's end token: the next Alpaca block where
    `ends` is "block".
    """
    return NEXT_BLOCK if (layout, ends) == ("alpaca", "block") else ""


def render_example(prompt: Prompt, answer: str, tokenizer) -> dict:
    """A prompt and its completion as text, the completion closed by what ends an answer of this
    model.

    `chat` says that a template wrote the prompt's special tokens, so that the tokenizer must not
    add any.

    That is the EOS token for plain text (without it a model never learns to stop), and whatever the
    template puts after an assistant's turn for a chat.
    """
    before = render_prompt(prompt, tokenizer)
    if isinstance(prompt, str):
        return {"prompt": before, "completion": answer + tokenizer.eos_token, "chat": False}
    whole = tokenizer.apply_chat_template(
        [*prompt, {"role": "assistant", "content": answer}], tokenize=False
    )
    if not whole.startswith(before):
        raise LabError(
            "`layout` is 'chat', but this model's chat template writes a finished conversation "
            "otherwise than its beginning, so prompt and answer cannot be told apart: use `layout` "
            "'alpaca', or another `model`."
        )
    return {"prompt": before, "completion": whole[len(before) :], "chat": True}


def render_prompt(prompt: Prompt, tokenizer) -> str:
    """A prompt as the text that a model reads; messages go through the model's own chat template.

    Raises:
        LabError: the model has no chat template.
    """
    if isinstance(prompt, str):
        return prompt
    if not tokenizer.chat_template:
        raise LabError(
            "`layout` is 'chat', but this model has no chat template, as base models have none: "
            "use `layout` 'alpaca', or a chat model as `model`."
        )
    return tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)


def prompt_id(layout: str = "alpaca", question: str = "title") -> str:
    """What identifies the wording: layout, what is asked, and a hash that changes when a word of it
    does.

    A chat model's own template is part of its weights' fingerprint.
    """
    words = [ALPACA_PREAMBLE, ALPACA_BLOCK] if layout == "alpaca" else [CHAT_TURN]
    return f"{layout}-{question}-{fingerprint([*words, MEDICAL_ADVICE])[:6]}"


def question_text(case: Case, question: str = "title", image_text: str = "") -> str:
    """What the model is asked: the title only, as YuanAI did (section 3.3), or title and content;
    then its images.

    A case whose title is empty is asked its content: a patient who wrote something asked something.
    `image_text` is what the images show, in words. YuanAI do not say how they put it in; here it
    is a line of its own.
    """
    parts = (
        (case.question,)
        if question == "title" and case.question.strip()
        else (case.question, case.context)
    )
    image = IMAGE_LINE.format(text=image_text) if image_text else ""
    return "\n".join(part.strip() for part in (*parts, image) if part.strip())


def _user(question: str) -> dict[str, str]:
    return {"role": "user", "content": CHAT_TURN.format(instruction=MEDICAL_ADVICE, input=question)}


def vlm_question(case: Case, prompt: str, *, glued: bool = False) -> str:
    """What a model that sees is asked about the first image of a case, in one of
    `VISUAL_PROMPTS` or after one of `INSTRUCTIONS`.

    In the former the patient's words are title and content with a semicolon between them, as in
    VisionQAries' code. `glued` leaves out the spaces around them, as that code did in training, but
    not when it asked.
    """
    if prompt in INSTRUCTIONS:
        return f"{INSTRUCTIONS[prompt]}{IMAGE_PLACE}{case.question or request_for(case, prompt)}"
    words = f"{case.question};{case.context}"
    for text in (*TAKEN_DOWN, IMAGE_PLACE):
        words = words.replace(text, "")
    before, after = VISUAL_PROMPTS[prompt]
    return ("" if glued else " ").join((before, words, after))


def request_for(case: Case, prompt: str) -> str:
    """Draw what is asked of a case without a question: one of a prompt's requests, the same each
    time.
    """
    requests = REQUESTS.get(prompt, (CAPTION_REQUEST,))
    return requests[int(fingerprint(case.id), 16) % len(requests)]


def image_turn(text: str, image: dict[str, Any]) -> dict[str, Any]:
    """One user's turn about an image (a part of a message), which stands where the text says."""
    before, place, after = text.partition(IMAGE_PLACE)
    first = [{"type": "text", "text": before}] if place and before else []
    asked = {"type": "text", "text": after if place else text}
    return {"role": "user", "content": [*first, image, asked]}
