"""A soak of the seeder: what befalls it, what it holds meanwhile, and whether that grows."""
