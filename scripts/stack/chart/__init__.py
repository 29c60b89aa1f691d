"""The Helm chart: rendered, examined, compared. What is run for it is the real helm (requirements/deploy.txt)."""
