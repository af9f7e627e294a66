"""RSS and Atom, in both directions."""
