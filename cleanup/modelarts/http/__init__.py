"""One request and its answer: the messages, the connection, the rate limit, and trying again."""
