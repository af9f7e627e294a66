"""What strangers may send: the corpus of hostile cases, and the check that they do no harm."""
