"""From a link to a memo in the library."""
