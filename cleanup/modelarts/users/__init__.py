"""Who uses images: one file a kind, each read completely or with the doubts why it may not be."""
