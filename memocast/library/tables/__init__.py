"""The library's database, a module for each table."""
