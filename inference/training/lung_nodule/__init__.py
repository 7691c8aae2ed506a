"""How the weights of `lung-nodule` were made, and how they are measured."""
