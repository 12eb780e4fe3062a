"""What some libraries need beyond their calls' being left."""

import subprocess
import sys
import textwrap

import pytest


def test_sqlites_busy_wait_is_over_before_it_has_slept_so_long(tmp_path):
    """It counts what it has asked to sleep, and asks 10000 times here. (Stopped by the watchdog of `script`, otherwise.)"""
    script(
        f"""
        import eintr, sqlite3
        path = {str(tmp_path / "database")!r}
        holder, waiting = (sqlite3.connect(path, timeout=1000, isolation_level=None) for _ in range(2))
        holder.execute("begin immediate")
        try:
            with eintr.timeout(0.1):
                waiting.execute("begin immediate")
        except eintr.TimeoutError:
            holder.execute("rollback")
            waiting.execute("begin immediate")
            print("left")
        """,
        "left\n",
    )


def test_grpc_writes_no_line_for_each_time_that_it_is_woken():
    """Its plain call is not left. It ends when its own time is up, and says nothing."""
    pytest.importorskip("grpc")
    script(
        """
        import eintr, grpc, socket, time
        listener = socket.create_server(("127.0.0.1", 0))
        method = grpc.insecure_channel("127.0.0.1:%d" % listener.getsockname()[1]).unary_unary("/a/b")
        def call():
            try:
                method(b"", wait_for_ready=True, timeout=2)
            except eintr.Interrupted:
                print("left")
        thread = eintr.Thread(target=call)
        thread.start()
        while "epoll" not in thread.report():
            time.sleep(0.01)
        thread.interrupt()
        thread.join()
        """,
        "left\n",
    )


def script(text, prints):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(text)], timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, prints, "")
