"""Whatever is tested writes its figures and tables elsewhere, not into those of the project."""

import os
import tempfile

os.environ["HDSEMG_NB_OUTPUT"] = tempfile.mkdtemp()
