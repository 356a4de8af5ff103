"""SkinGPT-4 (Zhou et al. 2024): BLIP-2's eyes, one trained projection, a Llama that answers."""
