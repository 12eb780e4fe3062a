"""Builds the library with cargo, for the wheel; and takes its sources into the sdist."""

import os
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
# In an sdist the crate is inside, as cargo has packaged it: without the rest of the workspace.
PACKAGED = HERE / "crate"
CRATE = PACKAGED if PACKAGED.exists() else HERE.parent


def cargo(command, *arguments):
    command = [os.environ.get("CARGO", "cargo"), command, "--manifest-path", str(CRATE / "Cargo.toml"), *arguments]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        raise SystemExit("eintr is built with cargo: install Rust 1.85 or newer") from None


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        self.scratch = tempfile.mkdtemp()
        build_data["force_include"].update(self.library() if self.target_name == "wheel" else self.sources())
        if self.target_name == "wheel":
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data.update(pure_python=False, tag=f"py3-none-{platform}")

    def finalize(self, version, build_data, artifact_path):
        shutil.rmtree(self.scratch)

    def library(self):
        target = os.environ.get("CARGO_TARGET_DIR") or str(CRATE / "target")
        options = ["--lib", "--release", "--features", "capi", "--crate-type", "cdylib", "--target-dir", target]
        # Never unloaded: a signal handler of ours would be called where nothing is any more.
        cargo("rustc", *options, "--", "-C", "link-arg=-Wl,-z,nodelete")
        return {f"{target}/release/libeintr.so": "eintr/libeintr.so"}

    def sources(self):
        if CRATE != PACKAGED:
            cargo("package", "--no-verify", "--allow-dirty", "--target-dir", self.scratch)
            [crate] = Path(self.scratch, "package").glob("eintr-*.crate")
            with tarfile.open(crate) as archive:
                archive.extractall(self.scratch)  # of cargo's, and our own
            return {str(Path(self.scratch, crate.stem)): "crate"}
        return {str(PACKAGED): "crate"}
