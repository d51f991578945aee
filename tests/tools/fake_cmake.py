#!/usr/bin/env python3
"""A stand-in for cmake: builds the fake benchmark program as the files of a source say.

`kernels/<group>/<kernel>.cpp` with `syntax error` in it doesn't compile, a CMakeLists.txt with
`message(FATAL_ERROR` can't be configured. A line `// FAKE_...=VALUE` of a kernel is the environment
of what is built; one that `sleeps` takes for ever, and notes that a SIGINT ended it. Every call is
appended to the file that FAKE_CMAKE_LOG names.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def configure(arguments):
    if "message(FATAL_ERROR" in Path("CMakeLists.txt").read_text():
        print("CMake Error at CMakeLists.txt:1 (message):\n  needs a library that is not here")
        return 1
    folder = Path(arguments[arguments.index("-B") + 1])
    preset = arguments[arguments.index("--preset") + 1]
    given = dict(one[2:].split("=", 1) for one in arguments if one.startswith("-D"))
    tree = {"source": os.getcwd(), "preset": preset, **given}
    (folder / "CMakeCache.txt").write_text(json.dumps(tree))
    return 0


def build(folder):
    log = Path(os.environ["FAKE_CMAKE_LOG"])
    cache = json.loads((folder / "CMakeCache.txt").read_text())
    environment = {}
    for path in sorted(Path(cache["source"]).glob("kernels/*/*.cpp")):
        name = f"{path.parent.name}/{path.stem}"
        if not re.search(cache["HEADROOM_KERNELS"], name):
            continue
        text = path.read_text()
        print(f"[1/9] Building CXX object {name}.cpp.o")
        if "syntax error" in text:
            print(f"FAILED: {name}.cpp.o\n/usr/bin/c++ -O3 -c {path}")
            print(f"{path}:3:1: error: expected declaration before end of line")
            print("    3 | syntax error\n      | ^~~~~~")
            print("ninja: build stopped: subcommand failed.")
            return 1
        if "sleeps" in text:
            try:
                log.with_name("stopped").write_text("not yet")
                time.sleep(600)
            except KeyboardInterrupt:
                log.with_name("stopped").write_text("by SIGINT")
                return 130
        environment.update(re.findall(r"^// (FAKE_\w+)=(.*)$", text, re.M))
    environment["FAKE_PRESET"] = folder.name  # as bench/CMakeLists.txt has it
    if "CMAKE_CXX_COMPILER" in cache:
        environment["FAKE_COMPILER"] = cache["CMAKE_CXX_COMPILER"]
    program = folder / "bench" / "headroom-bench"
    program.parent.mkdir(exist_ok=True)
    lines = ["#!/bin/sh", *(f"export {name}='{value}'" for name, value in environment.items())]
    lines.append(f'exec {sys.executable} {HERE / "fake_bench.py"} "$@"')
    program.unlink(missing_ok=True)
    program.write_text("\n".join(lines) + "\n")
    program.chmod(0o755)
    return 0


def main():
    arguments = sys.argv[1:]
    with open(Path(os.environ["FAKE_CMAKE_LOG"]), "a") as stream:
        stream.write(f"{os.getcwd()} {' '.join(arguments)}\n")
    if arguments[0] == "--build":
        return build(Path(arguments[1]))
    return configure(arguments)


if __name__ == "__main__":
    sys.exit(main())
