"""What tests import: all that lies between them and is neither a test nor a fixture."""
