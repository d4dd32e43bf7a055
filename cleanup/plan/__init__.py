"""Plans: looking at a project and deciding about all of it, and the sealed files that hold what was seen or decided."""
