"""What exceptions and calls cost elsewhere in a process once this package has been used in it.

    python cost.py [PAIRS]

Two processes do the same work in turns; in one, threads have been interrupted, and one is in a block. Prints the median of the pairs'
ratios: 1.000 is none. (A process by itself may be some hundredths slower than its like, by where its memory lies.)"""

import statistics
import subprocess
import sys

PROGRAM = """if True:
    import sys, time
    if sys.argv[1] == "used":
        import eintr, threading
        for _ in range(3):
            thread = eintr.Thread(target=time.sleep, args=(1000,))
            thread.start()
            thread.interrupt()
            thread.join()
        threading.Thread(target=eintr.timeout(100000)(time.sleep), args=(100000,), daemon=True).start()

    def fails():
        raise KeyError

    def exceptions():
        for _ in range(30000):
            try:
                fails()
            except KeyError:
                pass

    def errors():
        for _ in range(30000):
            try:
                int("x")
            except ValueError:
                pass

    def calls():
        for _ in range(100000):
            len("")

    for name in sys.stdin:
        work, began = globals()[name.strip()], time.process_time()
        work()
        print(time.process_time() - began, flush=True)
    """


def pair():
    """What each work takes in the one, of what it takes in the other: the best of some, in turns."""
    both = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for how in ("plain", "used")
    ]
    ratios = []
    for work in WORKS:
        took = [[], []]
        for number in range(10):
            for which in (0, 1) if number % 2 else (1, 0):
                both[which].stdin.write(work + "\n")
                both[which].stdin.flush()
                took[which].append(float(both[which].stdout.readline()))
        ratios.append(min(took[1]) / min(took[0]))
    for process in both:
        process.kill()
        process.communicate()
    return ratios


def main(pairs):
    print(f"CPython {sys.version.split()[0]}, the median of {pairs} pairs")
    for work, ratios in zip(WORKS, zip(*(pair() for _ in range(pairs)))):
        print(f"{work:12}{statistics.median(ratios):.3f}")


WORKS = ("exceptions", "errors", "calls")

if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 31)
