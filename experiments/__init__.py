"""One runner per stage, started by DVC as `python -m experiments.<stage> [cell] [key=value ...]`: read, call, write."""

import gc
import sys

from t2ibench.harness import interrupt

if sys.argv[0] == "-m":  # Python is looking for the runner to start: its imports take a second, and may be stopped too
    interrupt.leave_at_once()
    gc.set_threshold(10_000)  # an import makes no garbage: looking for it every 700 objects takes a sixth of its time
