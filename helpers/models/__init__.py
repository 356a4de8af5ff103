"""What loads and answers: LLMs, VLMs, moondream2, models behind an API, captions, export, small
devices.

Built on `files`, `cases` and `data`; nothing here knows an experiment, or how a notebook calls a
setting.
"""
