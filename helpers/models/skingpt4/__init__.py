"""SkinGPT-4 (Zhou et al. 2024): BLIP-2's eyes, one trained projection, a Llama that answers."""

MODEL_TYPE = "skingpt4"  # in the config.json of each
