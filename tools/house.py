#!/usr/bin/env python3
"""Measures the tree against the house rules of CONTRIBUTING.md: `python3 tools/house.py [FOLDER]`.

Prints, for the `src` folders of all packages and without test code (`#[cfg(test)]` items, `tests.rs`, `tests/`):
lines of Rust, files over 400 and over 700 lines, type names with more than one definition, circles between modules,
and the number of test programs that cargo links. Needs the standard library only and compiles nothing.

Two modules with the same parent form a circle when code below each names an item below the other, directly or through
further siblings. A re-exported name counts for the module that defines it.

Exit code 1 if a file has over 700 lines, a type name has two definitions, or modules form a circle.

`--paths` checks instead that every path in backticks in ARCHITECTURE.md and CONTRIBUTING.md exists; exit code 1 if one
does not.
"""

import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path

SKIPPED = {"target", ".git"}
TYPE = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:struct|enum|union|trait|type)\s+([A-Z]\w*)", re.M)
# Items of a trait implementation: `type Output = ..;` defines no type of its own.
ASSOCIATED = re.compile(r"^\s+type\s+[A-Z]\w*", re.M)
TOKEN = re.compile(
    r"""//[^\n]*|/\*|r(\#*)"|b?"(?:\\.|[^"\\])*"|b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^\\'])'""", re.S
)


def blank(text):
    """The text with comments, strings and characters replaced by spaces; lines stay where they are."""
    out, at = [], 0
    while found := TOKEN.search(text, at):
        start, end = found.span()
        if found[0] == "/*":
            depth = 1
            while depth and (mark := re.compile(r"/\*|\*/").search(text, end)):
                depth, end = depth + (1 if mark[0] == "/*" else -1), mark.end()
        elif found[1] is not None:
            end = text.index('"' + found[1], end) + 1 + len(found[1])
        out += [text[at:start], re.sub(r"[^\n]", " ", text[start:end])]
        at = end
    return "".join(out) + text[at:]


def without_tests(code):
    """Blanked code without the items under `#[cfg(test)]`, and the number of lines that those take."""
    lines = 0
    while found := re.search(r"#\[cfg\(test\)\]", code):
        end = re.compile(r"[;{]").search(code, found.end()).end()
        if code[end - 1] == "{":
            depth = 1
            while depth:
                mark = re.compile(r"[{}]").search(code, end)
                depth, end = depth + (1 if mark[0] == "{" else -1), mark.end()
        lines += code.count("\n", found.start(), end) + 1
        code = code[: found.start()] + re.sub(r"[^\n]", " ", code[found.start() : end]) + code[end:]
    return code, lines


class File:
    def __init__(self, package, path):
        text = path.read_text()
        self.path, (self.code, tests) = path, without_tests(blank(text))
        self.lines = text.count("\n") - tests
        self.all_lines = text.count("\n")
        parts = list(path.relative_to(package / "src").with_suffix("").parts)
        if parts[-1] in ("mod", "lib", "main"):
            parts.pop()
        self.module = tuple(parts)


def is_test(path):
    return path.name == "tests.rs" or "tests" in path.parts


def packages(root):
    for manifest in sorted(root.rglob("Cargo.toml")):
        inside = manifest.relative_to(root).parts
        if not SKIPPED & set(inside) and "fuzz" not in inside and (manifest.parent / "src").is_dir():
            yield manifest.parent


def use_paths(code):
    """The paths that `use` declarations name, groups unfolded: (is public, path, the name it gets)."""

    def unfold(tree):
        if "{" not in tree:
            path, _, name = tree.partition(" as ")
            yield path.strip(), name.strip()
            return
        head, rest = tree.split("{", 1)
        depth, part = 0, ""
        for c in rest.rsplit("}", 1)[0] + ",":
            depth += (c == "{") - (c == "}")
            if c == "," and depth == 0:
                for path, name in unfold(part):
                    yield head.strip() + path, name
                part = ""
            else:
                part += c

    for found in re.finditer(r"(pub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);", code):
        for path, name in unfold(" ".join(found[2].split())):
            if path:
                yield bool(found[1]), tuple(p.strip() for p in path.split("::")), name


def circles(files):
    """Groups of sibling modules of one package that reach each other, with the parent of each group."""
    modules = {f.module for f in files}
    for module in list(modules):
        modules |= {module[:i] for i in range(len(module))}
    exported = defaultdict(dict)

    def absolute(path, module):
        """`crate::a::B` as ('a', 'B') seen from `module`, or None for what is outside of the package."""
        path = list(path)
        if path[0] == "crate":
            return tuple(path[1:])
        here = list(module)
        if path[0] == "self":
            return tuple(here + path[1:])
        if path[0] == "super":
            while path and path[0] == "super":
                here, path = here[:-1], path[1:]
            return tuple(here + path)
        return tuple(here + path) if tuple(here + path[:1]) in modules else None

    for f in files:
        for public, path, name in use_paths(f.code):
            if (target := absolute(path, f.module)) and path[-1] not in ("self", "*"):
                if public:
                    exported[f.module][name or path[-1]] = target

    def home(path, depth=0):
        """The module that defines what the path names: the longest that exists, re-exports followed."""
        length = max(i for i in range(len(path) + 1) if path[:i] in modules)
        rest = path[length:]
        if rest and depth < 8 and rest[0] in exported[path[:length]]:
            return home(exported[path[:length]][rest[0]] + rest[1:], depth + 1)
        return path[:length]

    edges = defaultdict(set)
    for f in files:
        named = [path for _, path, _ in use_paths(f.code)]
        named += [tuple(m[0].split("::")) for m in re.finditer(r"\b(?:crate|super|self)(?:::\w+)+", f.code)]
        for path in named:
            if not (target := absolute(tuple(p for p in path if p not in ("*",)), f.module)):
                continue
            goal = home(target)
            common = 0
            while common < min(len(goal), len(f.module)) and goal[common] == f.module[common]:
                common += 1
            if common < len(goal) and common < len(f.module):
                edges[f.module[: common + 1]].add(goal[: common + 1])

    def reach(start):
        seen, queue = set(), [start]
        while queue:
            for goal in edges[queue.pop()] - seen:
                seen.add(goal)
                queue.append(goal)
        return seen

    reached = {m: reach(m) for m in list(edges)}
    groups = {tuple(sorted({m} | {n for n in seen if m in reached.get(n, ())})) for m, seen in reached.items()}
    pairs = sum(a < b for a in list(edges) for b in edges[a] if a in edges.get(b, ()))
    return sorted(g for g in groups if len(g) > 1), pairs


def test_programs(package):
    """The programs that cargo links of `tests/`: found there unless `autotests = false`, and those with a `[[test]]`."""
    manifest = (package / "Cargo.toml").read_text()
    tables = re.findall(r"^\[\[test\]\]([^\[]*)", manifest, re.M)
    files = set()
    if not re.search(r"^autotests\s*=\s*false", manifest, re.M):
        files = {p.relative_to(package) for p in package.glob("tests/*.rs")}
        files |= {p.relative_to(package) for p in package.glob("tests/*/main.rs")}
    for table in tables:
        keys = dict(re.findall(r'^(\w+)\s*=\s*"([^"]*)"', table, re.M))
        folder = Path(f"tests/{keys.get('name')}/main.rs")
        files.add(Path(keys["path"]) if "path" in keys else folder if folder in files else folder.parent.with_suffix(".rs"))
    return len(files)


def missing_paths(root):
    """Paths in backticks that neither the root nor a package has, in itself or in its `src`."""
    bases = [root] + [package / part for package in packages(root) for part in (".", "src")]
    placeholder = re.compile(r"\b(?:NAME|CODE|CLASS|FILE|FOLDER|RUN|FAMILY)\b")
    for page in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        for number, line in enumerate((root / page).read_text().splitlines(), 1):
            for name in re.findall(r"`([\w.*{},-]+(?:/[\w.*{},-]+)*/?)`", line):
                if placeholder.search(name) or not re.search(r"/|\.(?:rs|md|py|sh|toml|css|html|recipe)$", name):
                    continue
                for one in alternatives(name.rstrip("/")):
                    if not any(any(base.glob(one + end)) for base in bases for end in ("", ".rs")):
                        yield f"{page}:{number}: `{one}`"


def alternatives(name):
    """`a/{b,c}.rs` as `a/b.rs` and `a/c.rs`."""
    if not (group := re.search(r"\{([^{}]*)\}", name)):
        return [name]
    return [n for part in group[1].split(",") for n in alternatives(name[: group.start()] + part + name[group.end() :])]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    options.add_argument("--paths", action="store_true")
    options = options.parse_args()
    root = options.folder
    if options.paths:
        missing = list(missing_paths(root))
        print("\n".join(missing) or "every path exists")
        sys.exit(bool(missing))

    names, long, total, programs, all_circles = defaultdict(list), [], defaultdict(int), 0, []
    print(f"{'package':<18} {'lines':>7} {'with tests':>11} {'files':>6} {'test programs':>14}")
    for package in packages(root):
        short = str(package.relative_to(root)) if package != root else "fastai"
        files = [File(package, p) for p in sorted((package / "src").rglob("*.rs"))]
        code = [f for f in files if not is_test(f.path.relative_to(package))]
        for f in code:
            where = str(f.path.relative_to(root))
            if f.lines > 400:
                long.append((f.lines, where))
            associated = {m.start() for m in ASSOCIATED.finditer(f.code)}
            for found in TYPE.finditer(f.code):
                if found.start() not in associated:
                    names[found[1]].append(where)
        tests = test_programs(package)
        lines, whole = sum(f.lines for f in code), sum(f.all_lines for f in files)
        print(f"{short:<18} {lines:>7} {whole:>11} {len(code):>6} {tests:>14}")
        for key, value in (("lines", lines), ("whole", whole), ("files", len(code)), ("tests", tests)):
            total[key] += value
        groups, pairs = circles(code)
        all_circles += [(short, g) for g in groups]
        total["pairs"] += pairs
    print(f"{'all':<18} {total['lines']:>7} {total['whole']:>11} {total['files']:>6} {total['tests']:>14}")

    twice = {n: w for n, w in sorted(names.items()) if len(w) > 1}
    print(f"\nfiles over 400 lines: {len(long)}, over 700: {sum(n > 700 for n, _ in long)}")
    for lines, where in sorted(long, reverse=True):
        print(f"  {lines:>5} {where}")
    print(f"\ntype names defined more than once: {len(twice)}, {sum(map(len, twice.values()))} definitions")
    for name, where in sorted(twice.items(), key=lambda item: -len(item[1])):
        print(f"  {name} {len(where)}: {', '.join(where)}")
    members = sum(len(g) for _, g in all_circles)
    print(f"\ncircles between modules of one parent: {len(all_circles)}, {members} modules in them")
    print(f"pairs of modules that name each other: {total['pairs']}")
    for package, group in all_circles:
        print(f"  {package}: {' <-> '.join('::'.join(m) for m in group)}")
    sys.exit(bool(twice or all_circles or any(n > 700 for n, _ in long)))


if __name__ == "__main__":
    main()
