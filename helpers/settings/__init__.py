"""The machinery of settings: a notebook's declared parameters, and the values of each profile.

Built on `files` alone. Which parameters exist and what values they may have is known to
`experiments/parameters.py`, not here.
"""
