"""Do the tests look? Each line here breaks one important line of the code, and a test must fail.

Where a line decides a number, an id, what is learnt or what leaves the machine, a slip in it would
pass unnoticed: nothing stops, and the number is only wrong. Such lines are changed here one by one,
in a copy of the tree, and the tests that should see it run there.

`make mutants` does all (about five minutes on two cores), `python tests/mutants.py WORD ...` those
whose name or file has one of these words. A line that is not found any more is an error: find where
it went.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from shutil import copy2
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
AT_A_TIME = 2
LONGEST = 900  # seconds that tests may take before they count as endless
PYTEST = (
    *("-m", "pytest", "-x", "-q", "-p", "no:nbval", "-p", "no:cacheprovider"),
    *("--override-ini", "addopts="),
)


class Mutant(NamedTuple):
    """One broken line.

    `file` is below helpers/, `old` stands in it once, `test` is below tests/ and must fail.
    """

    name: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = [
    # Metrics
    Mutant(
        "deltaBLEU without clipping",
        "metrics/deltableu.py",
        "* min(count, most)",
        "* count",
        "metrics/test_deltableu.py::test_worked_cases",
    ),
    Mutant(
        "deltaBLEU with another weight than the highest",
        "metrics/deltableu.py",
        "max(weights[place] for",
        "min(weights[place] for",
        "metrics/test_deltableu.py::test_worked_cases",
    ),
    Mutant(
        "deltaBLEU's n-grams at the lowest weight of a case",
        "metrics/deltableu.py",
        "highest = max(weights)",
        "highest = min(weights)",
        "metrics/test_deltableu.py::test_worked_cases",
    ),
    Mutant(
        "of two equally close references the longer one",
        "metrics/deltableu.py",
        "min((abs(other - length), other)",
        "min((abs(other - length), -other)",
        "metrics/test_deltableu.py",
    ),
    Mutant(
        "weights in the challenge's mode for every language",
        "metrics/deltableu.py",
        'mode == "aligned" or language == "zh"',
        "True",
        "metrics/test_scoring.py::test_official_uses_weights_for_chinese_only",
    ),
    Mutant(
        "answers by position instead of by id",
        "metrics/scoring.py",
        'if mode == "aligned":',
        'if mode != "aligned":',
        "metrics/test_scoring.py::test_aligned_goes_by_id_and_official_by_position",
    ),
    Mutant(
        "intervals of 90 %",
        "metrics/scores.py",
        "[2.5, 97.5]",
        "[5, 95]",
        "metrics/test_deltableu.py::test_bootstrap_equals_a_plain_loop_over_repeated_texts",
    ),
    Mutant(
        "Wilson's intervals of 90 %",
        "metrics/scores.py",
        "Z = 1.959964",
        "Z = 1.644854",
        "metrics/test_diagnosis.py::test_wilson_intervals",
    ),
    Mutant(
        "a bootstrap without a seed",
        "metrics/scores.py",
        "default_rng(seed)",
        "default_rng()",
        "metrics/test_deltableu.py::"
        "test_bootstrap_is_the_same_for_the_same_seed_and_any_block_size",
    ),
    Mutant(
        "BERTScore's best reference by another number than F1",
        "metrics/bertscore.py",
        "key=lambda score: score[2]",
        "key=lambda score: score[0]",
        "metrics/test_bertscore.py::test_the_best_reference_is_the_one_with_the_highest_f1",
    ),
    Mutant(
        "BERTScore counts the marks around a text",
        "metrics/bertscore.py",
        "dict.fromkeys(marks, 0.0)",
        "dict.fromkeys(marks, 1.0)",
        "metrics/test_bertscore.py::test_equals_a_whole_call_of_the_package",
    ),
    Mutant(
        "BERTScore's precision and recall exchanged",
        "metrics/bertscore.py",
        "precision, recall, f1 = np.array(best",
        "recall, precision, f1 = np.array(best",
        "metrics/test_bertscore.py::test_the_answer_is_the_candidate",
    ),
    Mutant(
        "a difference with the wrong sign",
        "metrics/differences.py",
        "return after - before",
        "return before - after",
        "metrics/test_claims.py::test_a_difference_of_means_by_hand",
    ),
    Mutant(
        "the jackknife's error of an independent sample",
        "metrics/differences.py",
        "(groups - 1) / groups)",
        "1.0)",
        "metrics/test_differences.py::test_of_cases_that_are_alone_it_is_scipys_paired_t_test",
    ),
    Mutant(
        "differences without their groups",
        "metrics/differences.py",
        "[sum_by_group(rows, groups) for rows in side]",
        "[rows for rows in side]",
        "metrics/test_differences.py::test_of_groups_of_one_size_it_is_the_paired_t_test_of_their_means",
    ),
    Mutant(
        "single scores without their groups",
        "metrics/scores.py",
        "bootstrap_interval(sum_by_group(statistics, groups), score, seed=seed)",
        "bootstrap_interval(statistics, score, seed=seed)",
        "metrics/test_scores.py::test_whole_groups_are_drawn",
    ),
    Mutant(
        "every seed paired with the first one",
        "metrics/claims.py",
        "second[seed % len(second)]",
        "second[0]",
        "metrics/test_claims.py::"
        "test_over_seeds_the_difference_is_the_mean_and_seeds_that_disagree_widen_the_interval",
    ),
    Mutant(
        "an interval without the seeds' part",
        "metrics/differences.py",
        "np.hypot(self.cases_error, self.seeds_error)",
        "self.cases_error",
        "metrics/test_differences.py::test_over_seeds_both_variances_are_added",
    ),
    Mutant(
        "p values of one side",
        "metrics/differences.py",
        "float(2 * stdtr(",
        "float(stdtr(",
        "metrics/test_differences.py::test_of_cases_that_are_alone_it_is_scipys_paired_t_test",
    ),
    Mutant(
        "verdicts corrected as if each were the last",
        "metrics/claims.py",
        "(len(values) - step)",
        "1",
        "metrics/test_claims.py::test_p_values_are_corrected_as_holm_does",
    ),
    Mutant(
        "verdicts of a study that are not corrected together",
        "experiments/studies.py",
        "return judge(found)",
        "return found",
        "experiments/test_studies.py::test_claims_are_held_against_the_runs_of_their_points",
    ),
    Mutant(
        "power without Holm's first step",
        "experiments/verdicts.py",
        "LEVEL / len(family)",
        "LEVEL",
        "experiments/test_verdicts.py::test_the_verdicts_of_a_study_are_corrected_for_their_number",
    ),
    Mutant(
        "a verdict on nine cases",
        "metrics/claims.py",
        "FEWEST_CASES = 10",
        "FEWEST_CASES = 9",
        "metrics/test_claims.py::test_a_handful_of_cases_gives_no_verdict",
    ),
    Mutant(
        "a verdict on the value, however unsure it is",
        "metrics/claims.py",
        "if p <= LEVEL else 0",
        "if p <= 1 else 0",
        "metrics/test_claims.py::test_verdicts",
    ),
    Mutant(
        "agreement whatever the paper says",
        "metrics/claims.py",
        "side * paper > 0",
        "side > 0",
        "metrics/test_claims.py::test_verdicts",
    ),
    Mutant(
        "a paper's direction turned round",
        "experiments/verdicts.py",
        "(after > before) - (after < before)",
        "(after < before) - (after > before)",
        "experiments/test_verdicts.py::test_what_a_paper_reports_has_a_direction_and_words",
    ),
    Mutant(
        "every other diagnosis is a look-alike",
        "metrics/diagnosis.py",
        "if found.id in right.look_alikes",
        "if found.id",
        "metrics/test_diagnosis.py::test_the_first_named_condition_is_held_against_the_label",
    ),
    Mutant(
        "eczema found inside seborrheic eczema",
        "metrics/diagnosis.py",
        "key=len, reverse=True",
        "key=len, reverse=False",
        "metrics/test_diagnosis.py::test_every_name_stands_for_its_own_condition_only",
    ),
    Mutant(
        "answers that are near from 0.75 on",
        "metrics/similarity.py",
        "NEAR = 0.85",
        "NEAR = 0.75",
        "metrics/test_duplicates.py::"
        "test_short_answers_need_the_same_words_and_long_ones_allow_for_changes",
    ),
    Mutant(
        "an answer repeats itself",
        "metrics/duplicates.py",
        "[len(found) > 1 for",
        "[len(found) > 0 for",
        "metrics/test_duplicates.py::test_shares_counted_by_hand",
    ),
    Mutant(
        "finished answers counted as unfinished",
        "metrics/answers.py",
        'end == "length"',
        'end == "stop"',
        "metrics/test_answers.py::test_statistics_counted_by_hand",
    ),
    Mutant(
        "findings that are denied count as named",
        "metrics/concepts.py",
        "_without_denied(_without_surroundings(_folded(text)))",
        "_without_surroundings(_folded(text))",
        "metrics/test_concepts.py::test_named_concepts",
    ),
    Mutant(
        "captions that name nothing count as precise",
        "metrics/concepts.py",
        "says_something = named > 0",
        "says_something = named >= 0",
        "metrics/test_concepts.py::test_scores_by_hand",
    ),
    Mutant(
        "one skin tone's scores from all cases",
        "experiments/captions.py",
        "if tones.get(case.id) == tone]",
        "if tones.get(case.id)]",
        "experiments/test_captions.py::test_captions_are_scored_for_the_tone_of_their_own_cases",
    ),
    Mutant(
        "every seed a system of its own",
        "report/frame.py",
        'if name != "seed"}',
        "if name}",
        "report/test_frame.py::test_systems_are_told_apart_by_settings_not_by_name",
    ),
    Mutant(
        "a recorded interval the wrong way round",
        "experiments/recorded.py",
        "key: Score(value, low, high, n, self",
        "key: Score(value, high, low, n, self",
        "experiments/test_score_files.py::test_a_recorded_run_keeps_its_intervals_and_its_own_parameters",
    ),
    Mutant(
        "a recorded run without the parameters of all",
        "experiments/recorded.py",
        'head["parameters"] | own',
        "own",
        "experiments/test_score_files.py::test_a_recorded_run_keeps_its_intervals_and_its_own_parameters",
    ),
    Mutant(
        "balanced accuracy that frequent labels outweigh",
        "metrics/options.py",
        "(right / np.maximum(true, 1)).sum(axis=-1) / (true > 0).sum(axis=-1)",
        "right.sum(axis=-1) / true.sum(axis=-1)",
        "metrics/test_options.py::test_scores_are_those_of_scikit_learn",
    ),
    Mutant(
        "the right label among the first four",
        "metrics/options.py",
        "options[:TOP]",
        "options[: TOP + 1]",
        "metrics/test_options.py::test_scores_are_those_of_scikit_learn",
    ),
    Mutant(
        "a calibration error of answers that were not given",
        "metrics/options.py",
        "        if answer.options:\n            sure = max(answer.options.values())",
        "        if True:\n            sure = max(answer.options.values(), default=0.0)",
        "metrics/test_options.py::test_an_answer_without_options_is_wrong_and_says_nothing_of_how_sure",
    ),
    # Data
    Mutant(
        "a weight from one flag alone",
        "data/authors.py",
        "any(flag not in response",
        "all(flag not in response",
        "data/test_dermavqa.py::test_reference_weight",
    ),
    Mutant(
        "a rank too high for its weight",
        "data/authors.py",
        "author.rank >= 4",
        "author.rank > 4",
        "data/test_dermavqa.py::test_reference_weight",
    ),
    Mutant(
        "half an answer counts as complete",
        "data/authors.py",
        'response["completeness"] == 1',
        'response["completeness"] >= 0.5',
        "data/test_dermavqa.py::test_reference_weight",
    ),
    Mutant(
        "references without their weights in the fingerprint",
        "cases.py",
        "found = asdict(self) | {",
        'found = asdict(self) | {"references": [r.text for r in self.references]} | {',
        "data/test_dermavqa.py::test_with_another_author_table_the_data_are_others",
    ),
    Mutant(
        "texts that were taken down are answers",
        "data/records.py",
        "bare.lower() in TAKEN_DOWN",
        "bare in ()",
        "data/test_dermavqa.py::test_texts_taken_down_and_blank_answers",
    ),
    Mutant(
        "image names with ..",
        "data/records.py",
        ' or ".." in path.parts',
        "",
        "data/test_dermavqa.py::test_an_image_name_that_leaves_the_folder_is_refused",
    ),
    Mutant(
        "image names that are absolute",
        "data/records.py",
        " or bool(path.anchor)",
        "",
        "data/test_dermavqa.py::test_an_image_name_that_leaves_the_folder_is_refused",
    ),
    Mutant(
        "links that lead out of the folder",
        "data/layout.py",
        "return not path.resolve().is_relative_to(folder.resolve())",
        "return False",
        "data/test_photos.py::test_no_link_leads_out_of_the_folder",
    ),
    Mutant(
        "images that lie on their side",
        "data/images.py",
        "return ImageOps.exif_transpose(image)",
        "return image",
        "data/test_images.py::test_every_orientation_comes_out_upright",
    ),
    Mutant(
        "where an image was taken goes with it",
        "data/images.py",
        'return Image.frombytes("RGB", plain.size, plain.tobytes())',
        "return plain",
        "data/test_images.py::test_no_metadata_survives",
    ),
    Mutant(
        "a picture on both sides of a split of stories",
        "data/stories.py",
        "= [*case.images, *([case.context] if case.context else [])]",
        "= [case.context] if case.context else []",
        "data/test_stories.py::test_no_story_and_no_picture_crosses_the_splits",
    ),
    Mutant(
        "a story on both sides of a split",
        "data/stories.py",
        "= [*case.images, *([case.context] if case.context else [])]",
        "= [*case.images]",
        "data/test_stories.py::test_no_story_and_no_picture_crosses_the_splits",
    ),
    Mutant(
        "copies of test pictures are kept in the training, and the test pictures go",
        "data/near_duplicates.py",
        '[split for split in splits if split != "train"] + ["train"] * ("train" in splits)',
        "list(splits)",
        "data/test_near_duplicates.py::test_training_gives_way_to_the_other_splits_and_what_comes_later_to_what_was_before",
    ),
    Mutant(
        "pictures that are somewhat alike are taken for copies",
        "data/near_duplicates.py",
        "NEAR = 24",
        "NEAR = 110",
        "pocket/test_diagnosis_sets.py::test_exactly_the_planted_copies_are_removed",
    ),
    Mutant(
        "copies are found by the nearest picture of the same patient alone",
        "data/near_duplicates.py",
        " if not _share_group(cases[one][1], case))",
        ")",
        "data/test_near_duplicates.py::test_cases_of_one_group_share_their_picture_but_no_one_elses",
    ),
    # What models are asked
    Mutant(
        "answers run on into the next block",
        "experiments/answers.py",
        "stop=stop_text(self.prompt.layout, self.decoding.ends),",
        'stop="",',
        "experiments/test_answers.py::"
        "test_an_answer_ends_where_the_next_block_would_begin_unless_the_model_ends_it",
    ),
    Mutant(
        "a case drawn as its own example",
        "models/shots.py",
        "[other for other in pool if other.id != case.id]",
        "list(pool)",
        "models/test_prompts_and_shots.py::test_a_case_is_never_its_own_example[random]",
    ),
    Mutant(
        "a case most similar to itself",
        "models/shots.py",
        "if pool[entry[2]].id != case.id",
        "if pool[entry[2]].id",
        "models/test_prompts_and_shots.py::test_a_case_is_never_its_own_example[lexical]",
    ),
    Mutant(
        "examples drawn without the seed",
        "models/shots.py",
        'f"{seed}:{case.id}" if choice',
        "case.id if choice",
        "models/test_prompts_and_shots.py::test_random_shots_depend_on_seed_and_case_alone",
    ),
    Mutant(
        "the most similar example far from the question",
        "models/shots.py",
        "in reversed(best)]",
        "in best]",
        "models/test_prompts_and_shots.py::test_the_most_similar_shot_stands_next_to_the_question[lexical-mole-S2]",
    ),
    Mutant(
        "the nearest examples dropped first",
        "models/shots.py",
        "shots = shots[1:]",
        "shots = shots[:-1]",
        "models/test_prompts_and_shots.py::test_whole_shots_are_dropped_from_the_front",
    ),
    Mutant(
        "padding that the model looks at",
        "models/llm.py",
        "[0] * padding",
        "[1] * padding",
        "models/test_llm.py::test_a_left_padded_batch_says_what_single_prompts_say",
    ),
    Mutant(
        "cut answers said to be finished",
        "models/decoding.py",
        'finish = "stop" if sign or end is not None else "length"',
        'finish = "stop"',
        "models/test_llm.py::test_an_answer_that_is_cut_says_length",
    ),
    Mutant(
        "the rest of a torn batch asked alone",
        "models/answer_file.py",
        "if whole or case_id not in done",
        "if case_id not in done",
        "models/test_answering.py::test_a_batch_that_was_torn_is_asked_again_as_a_whole",
    ),
    Mutant(
        "what was paid for asked again",
        "models/answering.py",
        "file.missing(ordered, batch, whole=not model.is_remote)",
        "file.missing(ordered, batch)",
        "models/test_answering.py::test_behind_an_api_only_what_is_not_answered_is_asked_again",
    ),
    Mutant(
        "captions made twice by two processes",
        "models/captioning.py",
        "with file.locked():",
        "if True:",
        "models/test_captioning.py::"
        "test_images_that_another_process_captions_just_now_are_waited_for",
    ),
    Mutant(
        "a model in memory taken for one with another adapter",
        "models/memory.py",
        "key = (ref, ref.fingerprint_adapter())",
        'key = (ref, "")',
        "experiments/test_captions.py::"
        "test_a_model_in_memory_is_not_taken_for_one_with_another_adapter",
    ),
    Mutant(
        "another image than the first",
        "experiments/vlm_cases.py",
        "return case.images_on_disk[0]",
        "return case.images_on_disk[-1]",
        "experiments/test_vlm.py::test_the_first_image_on_disk_is_shown_and_learnt_from",
    ),
    Mutant(
        "a control without the image that shows it",
        "experiments/vlm_answers.py",
        "questions_of(cases, self.images(cases),",
        "questions_of(cases, {case.id: first_image(case) for case in cases},",
        "experiments/test_vlm.py::test_what_is_shown_is_what_the_answers_depend_on",
    ),
    Mutant(
        "another case's image of the same diagnosis",
        "experiments/image_control.py",
        "and (not case.label or other.label != case.label)",
        "and True",
        "experiments/test_vlm.py::test_another_case_has_another_image_and_another_label",
    ),
    Mutant(
        "the nearest case's last answer",
        "experiments/nearest_answer.py",
        "[0].references[0].text",
        "[0].references[-1].text",
        "experiments/test_floors.py::"
        "test_each_case_has_the_first_answer_of_the_training_case_most_like_it[lexical]",
    ),
    Mutant(
        "a doctor held against himself",
        "experiments/one_doctor.py",
        "if other is not drawn)",
        "if other)",
        "experiments/test_floors.py::test_doctors_who_say_the_same_are_still_two",
    ),
    Mutant(
        "the label has a part in the options that are asked with",
        "training/chain.py",
        "text = read_with(case.context, most_probable(options, count))",
        "text = read_with(case.context, with_truth(options, case.label, count))",
        "training/test_chain.py::test_the_last_step_reads_the_same_whatever_the_labels_are",
    ),
    Mutant(
        "the truth is taken out of options that are the image model's own",
        "experiments/diagnose.py",
        'if self.shown == "without_truth":',
        "if True:",
        "experiments/test_diagnosis.py::test_what_is_read_is_the_same_whatever_the_labels_are",
    ),
    Mutant(
        "options without the truth with the truth",
        "experiments/diagnose.py",
        "given.pop(case.label, None)",
        "given.pop(case.id, None)",
        "experiments/test_diagnosis.py::test_the_truth_alone_is_taken_away_and_the_next_one_moves_up",
    ),
    Mutant(
        "another image of the same patient for another one's",
        "experiments/diagnose.py",
        "if not case.group or one.group != case.group)",
        "if True)",
        "experiments/test_diagnosis.py::test_another_images_options_are_never_those_of_the_same_patient",
    ),
    Mutant(
        "probabilities made surer instead of less sure",
        "experiments/classify.py",
        "scores = scores / classifier.temperature",
        "scores = scores * classifier.temperature",
        "experiments/test_classify.py::test_a_temperature_changes_how_sure_and_not_what_is_said",
    ),
    Mutant(
        "the weight of the image is chosen on the split that is answered",
        "experiments/late_fusion.py",
        '("valid_", valid)):',
        '("valid_", self.data)):',
        "experiments/test_diagnosis.py::test_late_fusion_takes_both_sides_and_a_weight_of_the_validation_split",
    ),
    # What models learn
    Mutant(
        "questions are learnt, too",
        "training/examples.py",
        'first = 1 if loss == "whole" else max(1, len(prompt))',
        "first = 1",
        "training/test_lora_sft.py::test_a_prompt_is_learnt_after_the_ids_that_generation_gives",
    ),
    Mutant(
        "padding is learnt, too",
        "training/examples.py",
        "labels = torch.full((len(examples), width), NOT_LEARNT)",
        "labels = torch.zeros((len(examples), width), dtype=torch.long)",
        "training/test_lora_sft.py::test_the_loss_of_a_batch_is_that_of_its_examples_one_by_one",
    ),
    Mutant(
        "a VLM learns its questions, too",
        "training/vlm_examples.py",
        "1 if whole else len(prompt)",
        "1",
        "training/test_vlm_sft.py::test_a_padded_batch_asks_what_generation_asks_and_gives_each_"
        "token_the_loss_it_has_alone[llava]",
    ),
    Mutant(
        "the tokens of an answer do not see each other",
        "training/vlm_examples.py",
        "longer[row, example.asked : len(example.ids)] = 1",
        "longer[row, example.asked : len(example.ids)] = 0",
        "training/test_vlm_sft.py::test_a_token_of_an_answer_sees_all_that_stands_before_it[smolvlm]",
    ),
    Mutant(
        "answers that never end",
        "models/prompts.py",
        '"completion": answer + tokenizer.eos_token,',
        '"completion": answer,',
        "models/test_prompts_and_shots.py::"
        "test_a_record_is_closed_by_eos_or_by_what_the_template_says",
    ),
    Mutant(
        "one order of examples for all seeds",
        "training/examples.py",
        "draw = random.Random(recipe.seed)",
        "draw = random.Random(0)",
        "training/test_lora_sft.py::test_batches_hold_every_example_once_a_pass_and_little_padding",
    ),
    Mutant(
        "one answer of a case for all seeds",
        "training/vlm_examples.py",
        'f"answer/{recipe.seed}/{place}"',
        'f"answer/{place}"',
        "training/test_vlm_sft.py::"
        "test_the_seed_decides_which_answer_is_learnt_and_how_an_image_is_changed",
    ),
    Mutant(
        "an image changed alike in each epoch",
        "training/vlm_examples.py",
        'f"picture/{recipe.seed}/{place}"',
        'f"picture/{recipe.seed}"',
        "training/test_vlm_sft.py::"
        "test_the_seed_decides_which_answer_is_learnt_and_how_an_image_is_changed",
    ),
    Mutant(
        "one adapter's first weights for all seeds",
        "training/adapters.py",
        "set_seed(recipe.seed)",
        "set_seed(0)",
        "training/test_vlm_sft.py::"
        "test_the_seed_decides_the_first_weights_of_an_adapter_and_nothing_else_does",
    ),
    Mutant(
        "one dropout for all seeds",
        "training/trainer.py",
        "seed=recipe.seed,",
        "seed=0,",
        "training/test_lora_sft.py::test_the_seed_decides_what_dropout_leaves_out",
    ),
    Mutant(
        "an adapter trained at another scale",
        "training/adapters.py",
        "lora_alpha=recipe.alpha,",
        "lora_alpha=recipe.rank,",
        "training/test_lora_sft.py::test_training_is_plain_lora_with_adamw_and_a_linear_schedule",
    ),
    Mutant(
        "an adapter merged at another scale",
        "models/adapter_config.py",
        "return self.lora_alpha / self.r",
        "return 1.0",
        "models/test_export.py::test_the_merged_model_answers_as_base_and_adapter_do",
    ),
    Mutant(
        "a validation loss per token of the question, too",
        "training/trainer.py",
        "sum(example.learnt for example in examples)",
        "sum(len(example.ids) for example in examples)",
        "training/test_lora_sft.py::test_the_validation_loss_is_the_mean_over_all_learnt_tokens",
    ),
    Mutant(
        "an interrupted training that begins anew",
        "training/trainer.py",
        "resume_from_checkpoint=checkpoint",
        "resume_from_checkpoint=None",
        "training/test_lora_sft.py::test_a_training_taken_up_again_does_the_steps_that_are_left",
    ),
    Mutant(
        "an adapter for another base",
        "models/refs.py",
        'if card.get("weights") != self.fingerprint_weights():',
        "if False:",
        "training/test_vlm_sft.py::test_an_adapter_for_another_base_is_refused",
    ),
    Mutant(
        "copies of what is tested are learnt",
        "experiments/train_classifier.py",
        'if self.duplicates == "keep":',
        "if True:",
        "experiments/test_classify.py::test_copies_are_not_learnt_unless_they_are_kept",
    ),
    Mutant(
        "a temperature by the images that were learnt",
        "training/image_classifier.py",
        "score_images(kept, valid.pixels), valid.targets",
        "score_images(kept, train.pixels), train.targets",
        "training/test_image_classifier.py::test_the_temperature_is_fitted_on_the_validation_images",
    ),
    Mutant(
        "frozen layers whose statistics move",
        "training/image_classifier.py",
        "self.model.train(not self.head_alone)",
        "self.model.train()",
        "training/test_image_classifier.py::test_of_a_frozen_one_the_last_layer_learns_alone",
    ),
    Mutant(
        "rare labels are drawn as seldom as they are",
        "training/image_classifier.py",
        "weights = 1 / torch.bincount(targets).clamp_min(1)[targets]",
        "weights = torch.ones(len(targets))",
        "training/test_image_classifier.py::test_balance_draws_a_rare_label_about_as_often_as_a_frequent_one",
    ),
    Mutant(
        "mixed images with labels that are not",
        "training/image_augmentation.py",
        "share * targets + (1 - share) * targets[other]",
        "targets",
        "training/test_image_classifier.py::test_mixed_labels_are_shares_that_add_up_to_one_as_their_images_are_mixed",
    ),
    Mutant(
        "a training in epochs that goes on with other random numbers",
        "training/epochs.py",
        "        torch.manual_seed(seed * 1000 + number)\n",
        "",
        "training/test_epochs.py::test_an_interrupted_training_ends_as_an_undisturbed_one",
    ),
    Mutant(
        "a training in epochs that begins anew with an old log",
        "training/epochs.py",
        "one.load_state_dict(kept[name])",
        "pass",
        "training/test_epochs.py::test_an_interrupted_training_ends_as_an_undisturbed_one",
    ),
    Mutant(
        "first lists of a chain as the image model has them",
        "training/chain.py",
        "if options and label not in chosen:",
        "if False:",
        "training/test_chain.py::test_the_truth_is_put_where_its_probability_puts_it",
    ),
    Mutant(
        "one output for a label and a class",
        "training/chain.py",
        "return range(len(self.labels), len(self.labels) + len(self.classes))",
        "return range(len(self.classes))",
        "training/test_chain.py::test_places_do_not_overlap_and_cover_every_output",
    ),
    Mutant(
        "a chain without its first steps",
        "training/options_training.py",
        "steps[number * len(steps) // recipe.steps]",
        "steps[-1]",
        "training/test_options_training.py::test_variants_end_in_other_weights_and_the_same_one_in_the_same",
    ),
    Mutant(
        "an answer compared with those of other questions",
        "training/options_training.py",
        "row[one.outputs.start : one.outputs.stop],",
        "row[one.outputs.start :],",
        "training/test_options_training.py::test_an_answer_is_compared_with_those_of_its_own_question_only",
    ),
    # Ids and records
    Mutant(
        "an id without the weights of a given adapter",
        "experiments/adapters.py",
        'files = [*sorted(self.path.glob("*.safetensors")), *(',
        "files = [*(",
        "experiments/test_experiment.py::test_a_given_adapter_counts_by_weights_and_configuration",
    ),
    Mutant(
        "an id without the settings of a given adapter",
        "experiments/adapters.py",
        'CONFIGURATION = ("adapter_config.json", "config.json")',
        "CONFIGURATION = ()",
        "experiments/test_experiment.py::test_a_given_adapter_counts_by_weights_and_configuration",
    ),
    Mutant(
        "an id without how answers end",
        "models/refs.py",
        '"generation": self.fingerprint_generation(),',
        "",
        "experiments/test_experiment.py::test_a_model_counts_by_its_weights_wherever_they_lie",
    ),
    Mutant(
        "an id without the images that are shown",
        "experiments/vlm_answers.py",
        'return super().inputs() | {"images": images_fingerprint(shown)}',
        "return super().inputs()",
        "experiments/test_experiment.py::test_what_counts_of_a_vlm_and_its_training",
    ),
    Mutant(
        "an id without the images that are learnt from",
        "experiments/finetune_vlm.py",
        'return super().inputs() | {"images": images}',
        "return super().inputs()",
        "experiments/test_vlm.py::test_other_images_make_another_training",
    ),
    Mutant(
        "an id without the words for images",
        "experiments/answers.py",
        'return super().inputs() | {"captions": needs.get("captions")} | needs',
        "return super().inputs()",
        "experiments/test_experiment.py::test_with_captions_it_counts_who_captions_what_and_how",
    ),
    Mutant(
        "an id without the cases that examples come from",
        "experiments/answers.py",
        "if not self.shots.count:",
        "if True:",
        "experiments/test_experiment.py::test_data_counts_by_its_content_wherever_it_lies",
    ),
    Mutant(
        "an id without what trains",
        "experiments/trainings.py",
        'return super().inputs() | {"backend": self.trained_by().name}',
        "return super().inputs()",
        "experiments/test_answers.py::test_another_backend_makes_another_training",
    ),
    Mutant(
        "an id without the wording of a prompt",
        "models/prompts.py",
        "fingerprint([*words, MEDICAL_ADVICE])",
        "fingerprint([])",
        "models/test_prompts_and_shots.py::test_other_wording_is_another_prompt",
    ),
    Mutant(
        "an id without the wording of a VLM's prompt",
        "models/prompts.py",
        "fingerprint(words)[:6]",
        "fingerprint([])[:6]",
        "models/test_prompts_and_shots.py::test_other_wording_is_another_prompt",
    ),
    Mutant(
        "an id without the stage that a training goes on from",
        "experiments/stage.py",
        'start: "Stage | GivenAdapter | None" = None',
        'start: "Stage | GivenAdapter | None" = '
        "__import__('helpers.settings.section').settings.section.setting(None, '', effect=False)",
        "experiments/test_stages.py::test_each_stage_is_a_run_that_names_the_one_before_it",
    ),
    Mutant(
        "a later stage begins with the base model",
        "experiments/stage.py",
        'return with_adapter(self.model, self.start, run, need="start")',
        "return self.model",
        "experiments/test_stages.py::test_a_later_stage_goes_on_from_the_weights_of_the_one_before",
    ),
    Mutant(
        "images of test questions in both parts of an unseen split",
        "data/question_answers.py",
        " or split_of(found.group, UNSEEN) == found.split:",
        " or True:",
        "pocket/test_scans.py::test_the_published_split_leaks_every_picture_and_the_others_none",
    ),
    Mutant(
        "a worked example may show the image that is asked about",
        "experiments/few_shot_answers.py",
        " if find_image_key(_shown(one)) not in own]",
        "]",
        "experiments/test_few_shot.py::test_no_example_shows_the_image_that_is_asked_about",
    ),
    Mutant(
        "rows of the hub from whatever its cache holds",
        "data/hub.py",
        "streaming=True, cache_dir=empty",
        "streaming=True",
        "data/test_hub_sets.py::test_of_another_commit_nothing_is_taken_from_the_cache",
    ),
    Mutant(
        "an id without the version of its kind",
        "experiments/experiment.py",
        '"version": version, ',
        "",
        "experiments/test_experiment.py::test_raising_a_version_makes_another_id",
    ),
    Mutant(
        "an id that what only has to fit changes",
        "settings/section.py",
        "for name, field in fields.items() if has_effect(field)}",
        "for name, field in fields.items()}",
        "settings/test_section.py::test_what_has_no_effect_identifies_nothing",
    ),
    Mutant(
        "a fingerprint that the order of keys changes",
        "files/hashes.py",
        "sort_keys=True, separators",
        "separators",
        "test_files.py::test_fingerprints_follow_content_and_not_order_of_keys",
    ),
    Mutant(
        "scores of answers that were there before",
        "experiments/scores.py",
        "measure.depends_on(graded), answers]",
        "measure.depends_on(graded)]",
        "experiments/test_score_files.py::test_scores_are_of_the_answers_that_are_there",
    ),
    Mutant(
        "a folder of this machine in a record",
        "settings/section.py",
        "        if _names_folder(value):\n            return display_path(value)",
        "        if _names_folder(value):\n            return value",
        "settings/test_section.py::test_a_record_names_no_folder_of_this_machine",
    ),
    Mutant(
        "where the data lie in a record",
        "data/sources.py",
        'parameter="DATA_ROOT", effect=False',
        'parameter="DATA_ROOT"',
        "experiments/test_parameters.py::test_where_the_data_lie_is_no_parameter_that_a_record_has",
    ),
    Mutant(
        "an answer of training data in a record",
        "experiments/constant.py",
        '{"name": fingerprint(self.answer())}',
        '{"name": self.answer()}',
        "experiments/test_floors.py::"
        "test_the_record_holds_the_answer_of_training_data_only_as_a_hash",
    ),
    Mutant(
        "records from uncommitted code",
        "experiments/sweep.py",
        'run.record["dirty"] or run.record["commit"] == "unknown"',
        'run.record["commit"] == "unknown"',
        "experiments/test_sweep.py::test_studies_are_not_recorded_from_uncommitted_code",
    ),
    Mutant(
        "two processes on one run",
        "experiments/runs.py",
        "full_disk_told(self.folder), lock_file(self.folder / LOCK):",
        "full_disk_told(self.folder):",
        "experiments/test_runs.py::test_two_processes_on_one_run_do_its_work_once",
    ),
    Mutant(
        "a notebook that stopped half-way counts as done",
        "cli/run.py",
        '    for output in notebook.cells[-1].get("outputs", []):',
        '    return {"notebook": "none", "run_id": "none"}\n'
        '    for output in notebook.cells[-1].get("outputs", []):',
        "cli/test_run.py::test_a_notebook_that_does_not_reach_its_end_is_no_success",
    ),
    # What is on the disk
    Mutant(
        "files written in place",
        "files/writing.py",
        "    temporary = path.with_name(",
        "    path.write_bytes(content)\n    temporary = path.with_name(",
        "test_power_cut.py::test_a_kill_in_the_middle_of_writing_leaves_the_old_file",
    ),
    Mutant(
        "files that have their name before they are on the disk",
        "files/writing.py",
        "            os.fsync(file.fileno())\n        os.replace(",
        "        os.replace(",
        "test_power_cut.py::test_a_file_is_on_the_disk_before_it_has_its_name",
    ),
    Mutant(
        "rows that a power cut takes back",
        "files/writing.py",
        "        os.fsync(file.fileno())\n    if is_new:",
        "    if is_new:",
        "test_power_cut.py::test_a_row_is_on_the_disk_before_its_writer_goes_on",
    ),
    Mutant(
        "a file that changed taken for whole",
        "files/hashes.py",
        "return row[SEAL] == fingerprint(",
        "return bool(row) or fingerprint(",
        "test_files.py::test_a_sealed_file_that_changed_is_told",
    ),
    Mutant(
        "answers that changed since the run was done",
        "experiments/damage.py",
        "[name for name in written if found.get(name) != written[name]] + foreign",
        "foreign",
        "experiments/test_damage.py::test_answers_that_changed_are_given_again",
    ),
    Mutant(
        "an adapter that is not as it was trained",
        "models/adapter_card.py",
        "if file_hash(path) != digest:",
        "if False:",
        "experiments/test_damage.py::"
        "test_an_edited_or_foreign_adapter_does_not_take_anothers_place",
    ),
    Mutant(
        "a training that goes on from a damaged checkpoint",
        "training/checkpoints.py",
        "lambda name: name != FILES) == written",
        "lambda name: name != FILES) != {}",
        "training/test_lora_sft.py::test_a_checkpoint_that_is_not_as_it_was_written_is_passed_over",
    ),
    Mutant(
        "a recorded run with the seed of no run",
        "experiments/record_lines.py",
        'return parameters | ({"SEED": seed} if',
        'return parameters | ({"SEED": 0} if',
        "experiments/test_recorded.py::test_lines_are_stable_and_short",
    ),
    # Closed questions
    Mutant(
        "the least probable option is chosen",
        "models/choosing.py",
        "key=lambda one: -one[1])",
        "key=lambda one: one[1])",
        "experiments/test_closed.py::test_the_most_probable_option_is_the_answer_and_scored_as_one",
    ),
    Mutant(
        "the end of an answer has no part in its probability",
        "models/choosing.py",
        "return (found * mask).sum(dim=1).cpu()",
        "return (found * mask)[:, :-1].sum(dim=1).cpu()",
        "experiments/test_closed.py::"
        "test_a_likelihood_is_that_of_the_whole_answer_read_in_one_pass",
    ),
    Mutant(
        "the question is forgotten before the answer",
        "models/choosing.py",
        "torch.cat([before, mask[:, :-1]], dim=1)",
        "torch.cat([0 * before, mask[:, :-1]], dim=1)",
        "experiments/test_closed.py::"
        "test_a_likelihood_is_that_of_the_whole_answer_read_in_one_pass",
    ),
    Mutant(
        "conditions of all classes after a class was chosen",
        "experiments/closed_answers.py",
        "if groups[label] == group}",
        "if groups}",
        "experiments/test_closed.py::test_the_class_first_then_its_conditions",
    ),
    Mutant(
        "the right condition stands first",
        "experiments/closed_answers.py",
        "lot.shuffle(drawn)",
        "pass",
        "experiments/test_closed.py::"
        "test_four_conditions_hold_the_right_one_at_any_place_and_others_by_lot",
    ),
    # What leaves this machine
    Mutant(
        "questions sent without consent",
        "models/api/model.py",
        "if not (local or allow_upload):",
        "if False:",
        "models/test_api_models.py::test_without_consent_nothing_is_sent_elsewhere",
    ),
    Mutant(
        "a key in an error",
        "models/api/quotes.py",
        "if _holds(line, key, SHARED):",
        "if False:",
        "models/test_api_secrets.py::test_no_disguise_of_a_key_is_shown",
    ),
    Mutant(
        "questions sent on to another server",
        "models/api/clients.py",
        "follow_redirects=False",
        "follow_redirects=True",
        "models/test_api_models.py::test_a_server_on_this_machine_cannot_send_the_questions_on",
    ),
]


class Result(NamedTuple):
    """What became of a mutant, after so many seconds; `by` is the test that saw it."""

    name: str
    verdict: str
    seconds: float
    by: str = ""


def main(words: Sequence[str]) -> int:
    """Break the chosen lines one by one; return the status: 0 if a test saw each of them."""
    chosen = [one for one in MUTANTS if not words or any(word in str(one[:2]) for word in words)]
    if not chosen:
        print("No mutant has such a word in its name or file.")
        return 1
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies: Queue[Path] = Queue()
        for number in range(AT_A_TIME):
            copies.put(copy_tree(Path(folder) / f"copy-{number}"))
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            tasks = [pool.submit(run_unbroken, chosen, copies)]
            tasks += [pool.submit(run_broken, one, copies) for one in chosen]
            results = [show(task.result()) for task in as_completed(tasks)]
    wrong = [one for one in results if one.verdict not in ("killed", "passed")]
    killed = sum(one.verdict == "killed" for one in results)
    print(f"{killed} of {len(chosen)} killed" + "".join(f"; {w.name}: {w.verdict}" for w in wrong))
    return 1 if wrong else 0


def show(result: Result) -> Result:
    """Print a line."""
    by = f" ({result.by})" if result.by else ""
    print(f"{result.verdict:9} {result.seconds:6.1f} s  {result.name}{by}", flush=True)
    return result


def copy_tree(to: Path) -> Path:
    """Copy what git knows or does not ignore, and make sure that Python takes the code there."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in names.split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, to / name)
    code = "import helpers; print(helpers.__file__)"
    found = subprocess.run([sys.executable, "-c", code], **in_copy(to)).stdout.strip()
    assert Path(found).is_relative_to(to.resolve()), f"{found} would be tested, and not {to}"
    return to


def in_copy(copy: Path) -> dict:
    """Return how a process runs in a copy: its code, one thread, and no data but what is there."""
    environment = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    for name in ("LAB_SHARED", "LAB_OUTPUTS", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    return {"cwd": copy, "env": environment, "capture_output": True, "text": True}


def run_unbroken(mutants: Sequence[Mutant], copies: Queue[Path]) -> Result:
    """Run all tests once on the code as it is: a test that fails anyway sees nothing."""
    with taken(copies) as copy:
        verdict, seconds, by = run_tests(copy, list(dict.fromkeys(one.test for one in mutants)))
    verdict = {"SURVIVED": "passed", "killed": "FAILED"}.get(verdict, verdict)
    return Result("nothing broken", verdict, seconds, by)


def run_broken(mutant: Mutant, copies: Queue[Path]) -> Result:
    """Break a line of a copy, run its test, and mend it."""
    with taken(copies) as copy:
        path = copy / "helpers" / mutant.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if text.count(mutant.old) != 1:
            return Result(mutant.name, "NOT FOUND", 0, f"{text.count(mutant.old)} in {mutant.file}")
        before = path.stat()
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        try:
            return Result(mutant.name, *run_tests(copy, [mutant.test]))
        finally:  # with its old time, so that Python does not take the broken line from its cache
            path.write_text(text, encoding="utf-8")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@contextmanager
def taken(copies: Queue[Path]) -> Iterator[Path]:
    """Take a copy that nobody uses, and give it back."""
    copy = copies.get()
    try:
        yield copy
    finally:
        copies.put(copy)


def run_tests(copy: Path, tests: Sequence[str]) -> tuple[str, float, str]:
    """Run tests in a copy; return what that says of a mutant, the seconds, and what failed.

    An error before a test, in a fixture or an import, is no test that looks.
    """
    started = time.monotonic()
    folder = f"--basetemp={copy}-temporary"
    command = [sys.executable, *PYTEST, folder, *(f"tests/{test}" for test in tests)]
    try:
        done = subprocess.run(command, timeout=LONGEST, **in_copy(copy))
    except subprocess.TimeoutExpired:
        return "ENDLESS", time.monotonic() - started, ""
    seconds = time.monotonic() - started
    said = re.search(r"^(FAILED|ERROR):? (?:tests/)?(.+?)(?: - |$)", done.stdout, re.MULTILINE)
    if done.returncode == 0:
        return "SURVIVED", seconds, ""
    return "killed" if said and said[1] == "FAILED" else "ERROR", seconds, said[2] if said else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
