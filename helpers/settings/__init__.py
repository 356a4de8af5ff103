"""The machinery of settings: what a notebook's parameters cell declares, and what each profile
makes of what is left open.

Built on `files` alone. Which parameters there are, and what they may be,
`experiments/parameters.py` knows.
"""
