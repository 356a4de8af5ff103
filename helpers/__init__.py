"""Helpers of the Medical VQA Lab: what the notebooks call, from cases to leaderboards.

Research and teaching only, not for diagnosis. Importing this package does nothing else:
torch and transformers are imported by the functions that use them.
"""
