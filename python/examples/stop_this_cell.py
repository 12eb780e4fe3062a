"""A shell's or notebook's "stop": cells run one after the other in a thread, and any other thread can stop the one that runs."""

import queue
import threading

import eintr


class Cells:
    def __init__(self):
        self._cells, self._running = queue.Queue(), None
        self.outcomes = queue.Queue()
        threading.Thread(target=self._run, daemon=True).start()

    def run(self, source):
        self._cells.put(source)

    def stop(self):
        """Stops the cell that runs now, if one does; never the next one."""
        if self._running is not None:
            self._running.interrupt(KeyboardInterrupt)

    def _run(self):
        names = {}
        while True:
            source = self._cells.get()
            try:
                with eintr.interruptible(source) as self._running:
                    self.outcomes.put("begun")
                    exec(compile(source, "<cell>", "exec"), names)
                self.outcomes.put("done")
            except BaseException as error:
                self.outcomes.put(repr(error))


cells = Cells()
for source in ("import time; time.sleep(1000)", "x = 1", "while x: x += 1"):
    cells.run(source)
    cells.outcomes.get()
    if "x = 1" != source:
        cells.stop()
    print(source, "->", cells.outcomes.get())
