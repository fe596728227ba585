"""Whatever is tested writes and sends elsewhere, not into the project, not onto the network."""

import os
import tempfile
from pathlib import Path

os.environ["HDSEMG_NB_OUTPUT"] = tempfile.mkdtemp()

# streams stay on this machine, and those of others, or of a second test run, are not seen
_lsl = Path(os.environ["HDSEMG_NB_OUTPUT"]) / "lsl_api.cfg"
_lsl.write_text(f"""[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
[lab]
SessionID = {_lsl.parent.name}
[log]
level = -3
""")
os.environ["LSLAPICFG"] = str(_lsl)
