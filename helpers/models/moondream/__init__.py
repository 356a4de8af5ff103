"""moondream2 of 2024-04-02 from the parts of transformers, without the code of its repository."""
