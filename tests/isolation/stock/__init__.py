"""Stock parts in the place of ours, for the laboratory to find what is wrong with them."""
