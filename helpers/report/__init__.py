"""What is shown: tables and figures of runs, the leaderboard page, forms that a person fills in.

Built on `experiments`, whose runs it reads; nothing here runs an experiment.
"""
