"""What a bare machine needs to run Freehold: virtual environment, servers, processes.

Standard library only (`infra.containers` apart), because it runs before anything is installed.
"""
