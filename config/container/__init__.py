"""What the image does around the product's programs (docs/docker.md). Starts without Django."""
