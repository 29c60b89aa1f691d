"""What somebody who helps needs to see of an installation, without its secrets and its people."""
