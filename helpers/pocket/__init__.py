"""The simulated skin clinic: conditions, patients, doctors, drawn images, and textbook prose.

`clinic.build` writes it to disk in the real data sets' own formats. Its texts and random draws are
part of what results depend on: a change raises the version of the clinic, the drawings or a model
of the zoo. Built on `files` alone; nothing in here imports torch.
"""
