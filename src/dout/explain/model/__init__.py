"""What an explanation is: frozen data, which every format prints."""
