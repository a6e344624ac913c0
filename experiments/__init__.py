"""One runner per stage, started by DVC as `python -m experiments.<stage> [cell] [key=value ...]`: read, call, write."""
