"""The seeder: a supervisor, and the workers that hold libtorrent."""
