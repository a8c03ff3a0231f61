"""How long it takes after each fault until nothing waits for it any more."""
