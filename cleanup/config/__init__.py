"""Where to connect and how to work: options, environment and targets files in, settings and a client out."""
