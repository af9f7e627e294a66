"""The seeder: a supervisor, and worker processes that run libtorrent."""
