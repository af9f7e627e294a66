"""What is wrong with the library, the machine and the network."""
