"""As whom to speak: one file a way to log in, and one that chooses."""
