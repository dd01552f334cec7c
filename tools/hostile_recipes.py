#!/usr/bin/env python3
"""Small recipes that ask for all time or memory: each must be answered within a second and 200 MB.

    python3 tools/hostile_recipes.py PROGRAM            # `PROGRAM check` and `PROGRAM fmt --check` on each
    python3 tools/hostile_recipes.py --write FOLDER     # only writes them
    python3 tools/hostile_recipes.py --rustc DEPS       # `recipe! { .. }` through rustc; DEPS is target/debug/deps

A recipe fails if a command takes over SECONDS of CPU time or MEGABYTES, or ends by a signal or a panic. With rustc, its own
time and memory for a plain recipe are subtracted.
"""
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS, MEGABYTES = 1.0, 200
SECTIONS = """task: single_label,
    data: folders {{ root: "d"{data} }},
    transforms: side_on {{ size: 64{transforms} }},
    model: squeezenet1_1{model},
    metrics: [accuracy{metrics}],
    {more}
"""


def recipe(train="fit(1e-2, 1);", data="", transforms="", model="", metrics="", more=""):
    return "Demo {\n    " + SECTIONS.format(data=data, transforms=transforms, model=model, metrics=metrics, more=more) + \
        "    train: { " + train + " },\n}\n"


def nest(depth, width, body, first=0):
    items = ",".join(str(i + 1) for i in range(width))
    return "".join(f"for a{i} in [{items}] {{ " for i in range(first, first + depth)) + body + "}" * depth


def growing(kind, width, depth, use):
    lines = [f"let b0 = {kind};"]
    for i in range(1, depth):
        lines.append(f"let b{i} = [{','.join([f'b{i - 1}'] * width)}];")
    return " ".join(lines) + " " + use.format(f"b{depth - 1}")


def texts(width, depth, use):
    lines = ['let t0 = "0123456789";']
    for i in range(1, depth):
        lines.append(f'let t{i} = "{f"{{t{i - 1}}}" * width}";')
    return " ".join(lines) + " " + use.format(f"t{depth - 1}")


def hostile(size):
    """name, text"""
    fit = "fit(1e-2, 1);"
    for width in (2, 3, 10, 50):
        for use in ("fit({}, 1);", "for x in [{}] {{ fit(x, 1); }}", "fit(1e-2, 1, wds = {});", "let y = {}; fit(y, 1);"):
            yield f"list {width} {use[:12]}", recipe(growing("[1,1]", width, 40, use))
    for width in (2, 4, 20):
        for use in ('save("{{{0}}}");', 'for i in [1,2,3] {{ save("{{i}}{{{0}}}"); }}', 'let y = "{{{0}}}"; fit(y, 1);', "fit({0}, 1);"):
            yield f"text {width} {use[:12]}", recipe(fit + texts(width, 40, use))
    for depth, width in ((9, 10), (5, 100), (3, 1000), (2, 30000), (20, 3), (55, 2), (60, 1000)):
        for body in ("", "let x = a0;", "fit(1e-2, 1);", 'save("x");'):
            yield f"loop {depth} {width} {body[:9]}", recipe(nest(depth, width, body) + fit)
    big = "1" * size
    for what in (big, "1." + big, "0." + "0" * size + "1", "1e" + big, "0x" + big, "1_" * (size // 2) + "1", big + "u8",
                 '"' + "x" * size + '"', 'r"' + "x" * size + '"', "x" * size, "-" * size + "1",
                 "1+" * (size // 2) + "1", "1*" * (size // 2) + "1", "[" * 60 + "1," * (size // 2) + "]" * 60, "A::" * (size // 4) + "B",
                 "'" + "x" * size + "'", "x." * (size // 2) + "y", "(" * 60 + "1" + ")" * 60, "-(" * 60 + "x" + ")" * 60,
                 "." * size, "#" * size, "é" * (size // 2), "\u202e" * (size // 4)):
        yield f"literal {what[:6]!r} {len(what)}", recipe(f"fit({what}, 1);")
        yield f"value {what[:6]!r} {len(what)}", recipe(data=f", batch: {what}")
    for hidden in ("65536,65536", "65536,65536,65536", ",".join(["65536"] * 60), ",".join(["1"] * (size // 2)), "32768,65536"):
        yield f"hidden {hidden[:12]}", recipe(model=f" {{ hidden: [{hidden}] }}")
        yield f"head {hidden[:12]}", recipe(f"fit(1e-2, 1); head(hidden = [{hidden}]); fit(1e-2, 1);")
    for args in ("64, cycle_len = 1, cycle_mult = 2", "100000, cycle_len = 100000", "100000, cycle_len = 1, cycle_mult = 1000",
                 "3, cycle_len = 100000, cycle_mult = 1000", "100, cycle_len = 100000"):
        yield f"epochs {args}", recipe(f"fit(0.1, {args});")
    yield "epochs loop", recipe(nest(3, 21, "fit(0.1, 100000);"))
    yield "many fits", recipe("fit(0.1, 100000);" * (size // 24))
    for junk in ("x: 1,", "task: single_label,", "lr: lr,", "x { },"):
        yield f"sections {junk}", recipe(more=junk * (size // len(junk)))
    for junk in ("x: 1, ", "batch: 1, ", "valid: random, "):
        yield f"keys {junk}", recipe(data=", " + junk * (size // len(junk)))
    for junk in ("x = 1, ", "lrs = 1, ", "1, ", "x, "):
        yield f"arguments {junk}", recipe(f"fit({junk * (size // len(junk))});")
    for junk in ("accuracy, ", "x, ", "f2(1), ", "f2(threshold = 0.2), "):
        yield f"metrics {junk}", recipe(metrics=", " + junk * (size // len(junk)))
    for junk in ("flip, ", "rotate(10), ", "x, ", "jitter(0.1, 0.1), "):
        yield f"augment {junk}", recipe(transforms=f", augment: [{junk * (size // len(junk))}]")
    for junk in ("x; ", "x(); ", "x = 1; ", "let x = 1; ", "let x = x; ", "fit; ", "save(\"a\"); ", "load(\"a\"); ", "resize(8); ",
                 "head(); ", "lr_find(); ", "tta(); ", "for x in y { } ", "for x in [] { } ", "for x in [1] { } ", "if x { } ", "; ",
                 "#[allow(x)] fit(1, 1); ", "freeze(); unfreeze(); ", "precompute(on); precompute(off); ",
                 "let lr = lr_find(); fit(lr, 1); "):
        yield f"steps {junk}", recipe(junk * (size // len(junk)))
    names = "".join(f"let n{i} = 1; " for i in range(size // 25))
    yield "names then words", recipe(names + "fit(m1, 1); " * (size // 40))
    yield "names then texts", recipe(names + 'save("{m1}"); ' * (size // 40))
    yield "names read", recipe("".join(f"let n{i} = 1; " for i in range(size // 30)) + "".join(f"fit(n{i}, 1); " for i in range(size // 25)))
    yield "unused in loops", recipe(nest(2, 100, "".join(f"let n{i} = 1; " for i in range(size // 25))) + fit)
    yield "saves", recipe("".join(f'save("s{i}"); ' for i in range(size // 30)) + fit)
    yield "loads", recipe("".join(f'save("s{i}"); ' for i in range(size // 50)) + "".join(f'load("s{i}"); ' for i in range(size // 50)))
    yield "rounds", recipe(f'for a in ["{"x" * 4000}"] {{ ' * 55 + nest(2, 100, fit, 100) + "}" * 55)
    yield "weights", recipe(more="class_weights: [" + "1," * (size // 2) + "],")
    yield "attributes", recipe(more="#[allow(x)] " * (size // 12) + "clip: 1,")
    yield "doc", "/// " + "x" * size + "\n" + recipe()
    yield "docs", "/// x\n" * (size // 6) + recipe()
    yield "comments", recipe(more="// x\n" * (size // 6))
    yield "nested comment", recipe(more="/*" * (size // 4) + "*/" * (size // 4))
    yield "unclosed", recipe(more="/*" * (size // 2))
    yield "quotes", recipe(more="'" * size)
    yield "raw", recipe(more='r#"' * (size // 4))
    yield "hashes", recipe(more="r" + "#" * size)
    yield "long line", recipe(metrics=", x y" * (size // 6))
    yield "brackets", "[" * size
    yield "pairs", recipe(more="() [] {} " * (size // 10))


def measure(command, **options):
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    # CPU time: other programs on the machine must not count.
    seconds = min(usage.ru_utime + usage.ru_stime, time.monotonic() - began)
    return child.returncode, seconds, usage.ru_maxrss / 1000, said


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (30, 30))


def main():
    cases = list(hostile(250_000))
    if sys.argv[1:2] == ["--write"]:
        folder = Path(sys.argv[2])
        folder.mkdir(parents=True, exist_ok=True)
        for i, (_, text) in enumerate(cases):
            (folder / f"{i:03}.recipe").write_text(text)
        return print(f"{len(cases)} recipes in {folder}")
    worst, failed = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        commands = {}
        base = {}
        if sys.argv[1] == "--rustc":
            deps = Path(sys.argv[2])
            newest = lambda pattern: str(max(deps.glob(pattern), key=os.path.getmtime))
            file = Path(folder) / "demo.rs"
            commands["rustc"] = ["rustc", "--edition=2024", "--crate-type=lib", "--emit=metadata", f"--out-dir={folder}",
                                 f"-Ldependency={deps}", f"--extern=fastai={newest('libfastai-*.rlib')}", str(file)]
            wrap = lambda text: "fastai::recipe! {\n" + text + "}\n"
            file.write_text(wrap(recipe()))
            code, *base["rustc"], said = measure(commands["rustc"])
            assert code == 0, said.decode()
        else:
            file, wrap = Path(folder) / "demo.recipe", str
            commands = {"check": [sys.argv[1], "check", str(file)], "fmt": [sys.argv[1], "fmt", "--check", str(file)]}
        for name, text in cases:
            file.write_text(wrap(text))
            for what, command in commands.items():
                code, seconds, megabytes, said = measure(command, preexec_fn=limit)
                before = base.get(what, (0, 0))
                seconds, megabytes = seconds - before[0], megabytes - before[1]
                most = worst.get(what, (0, 0))
                worst[what] = (max(most[0], seconds), max(most[1], megabytes))
                if seconds > SECONDS or megabytes > MEGABYTES or code < 0 or code not in (0, 1, 2):
                    failed += 1
                    print(f"FAILED {name}: {what} exit {code}, {seconds:.2f} s, {megabytes:.0f} MB: {said[-200:]!r}")
    for what, (seconds, megabytes) in worst.items():
        print(f"{what}: {len(cases)} recipes, at most {seconds:.2f} s and {megabytes:.0f} MB")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
