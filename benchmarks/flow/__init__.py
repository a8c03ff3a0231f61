"""Small jobs: beside a relay that stores nothing, at offered rates, and in several arrangements."""
