"""One case on its way to an LLM's answer: from title to prompt, tokens and answer."""

from helpers.cases import Case
from helpers.experiments.answers import Answers
from helpers.experiments.captions import read_case_texts
from helpers.experiments.experiment import record
from helpers.experiments.llm_prompts import Captions, prompt_of_case
from helpers.experiments.runs import Run
from helpers.files import read_json
from helpers.models.prompts import as_messages, render_prompt


def trace(experiment: Answers, run: Run, case: Case) -> dict[str, str]:
    """Follow a case through a run of answers, in the form of YuanAI's Table 5."""
    row = read_json(run.folder / "shots.json")[case.id]
    training = {shot.id: shot for shot in experiment.data.load().training}
    shots = [training[shot] for shot in row["shots"]]
    needs = {name: record(need) for name, need in experiment.needs().items()}
    captions = Captions(
        read_case_texts(needs.get("captions"), [case]),
        read_case_texts(needs.get("shot_captions"), shots),
    )
    prompt, tokens = prompt_of_case(case, experiment.prompt, captions, shots), ["?"]
    if experiment.model.is_remote:  # how its server cuts messages into tokens, nobody here knows
        turns = as_messages(prompt)
        prompt = "\n".join(f"[{turn['role']}] {turn['content']}" for turn in turns)
    else:
        # Late: it loads torch.
        from helpers.models.llm import load_tokenizer

        tokenizer = load_tokenizer(experiment.model)
        prompt = render_prompt(prompt, tokenizer)
        tokens = tokenizer.tokenize(prompt)
    answer = run.answers.read()[case.id]
    told = captions.asked.get(case.id) or f"none (CAPTIONER {experiment.captions.name})"
    return {
        "title": case.question,
        "content (asked only if QUESTION says so)": case.context,
        "image in words": told,
        "shots (training cases)": ", ".join(row["shots"]) or "none",
        "shots dropped": ", ".join(row["dropped"]) or "none",
        "prompt": prompt,
        "prompt in tokens": f"{row['tokens']}: " + " ".join([*tokens[:12], "...", *tokens[-12:]]),
        "answer": f"{answer.text} ({answer.tokens} tokens, finish: {answer.finish})",
        "doctors": " | ".join(reference.text for reference in case.references),
    }
