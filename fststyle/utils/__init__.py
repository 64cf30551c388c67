"""What is shared and knows nothing of styles: devices, files, signals, threads, messages."""
