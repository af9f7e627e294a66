"""What the tests share: everything between them that is not a test or a fixture of all."""
