"""One Hypothesis profile: deterministic, and without deadlines, since calls compile."""

import hypothesis

hypothesis.settings.register_profile(
    "symgd", deadline=None, derandomize=True, max_examples=100, print_blob=True
)
hypothesis.settings.load_profile("symgd")
