"""Run as a program by tests that kill it: starts commands in a table and says when they run.

python lonely_mesh.py STATE_FOLDER COMMAND…  (each command one shell text)
"""

import asyncio
import os
import sys
from pathlib import Path

from localmesh.runtime.processes.process import Command
from localmesh.runtime.processes.process_supervisor import ProcessSupervisor


async def main() -> None:
    folder = Path(sys.argv[1])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    async with ProcessSupervisor(folder) as table:
        for number, text in enumerate(sys.argv[2:]):
            command = Command(
                f"command {number}", ("sh", "-c", text), {"PATH": path}, folder, folder / f"{number}.log"
            )
            await table.start(command)
        print("up", flush=True)  # noqa: T201
        await asyncio.Event().wait()


asyncio.run(main())
