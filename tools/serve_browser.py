#!/usr/bin/env python3
"""Uses the page of `fastai serve` in a browser, as a person does.

    pip install playwright
    python tools/serve_browser.py target/debug/fastai [--run RUN --images IMAGE..] [--browser chromium] [--out SHOTS]

Without --run it trains three small models for a few seconds each, from pictures in this repository: tags, classes, a number. For
each it serves the model and opens the page; chooses files, drops and pastes one, and compares what is shown with the answer of
`POST /predict` to the same bytes; moves the threshold of tags; gives it what is no image, too many bytes, and a name in HTML; and
keeps the server busy, so that the page has to ask again. What fails is printed, and so is everything that the browser's console
says and each violation of the page's policy; the exit code is then 1. --out keeps pictures of the page. Run it from the
repository's root; needs a chromium on the path or under --browser.
"""

import argparse
import base64
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

CHIPS = Path("examples/data/globe/train-jpg")
TAGS = "examples/quickstart.recipe"
NUMBER = """Size {
    task: regression,
    data: csv { root: "chips", labels: "kilobytes.csv", images: ".", suffix: ".jpg", valid: random(0.2), batch: 16 },
    transforms: none { size: 64 },
    model: squeezenet1_1,
    metrics: [mae],
    train: { precompute(on); fit(1e-2, 1); },
}
"""
# The page shows this many classes at first.
SHOWN = 10
# MB of the largest request.
MOST = 1
SECONDS = 120
# The page knows the model.
READY = "document.getElementById('about').textContent !== ''"

failures = []


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--run", help="a run folder, in place of models that are trained for this")
    parser.add_argument("--images", nargs="+", default=[], help="with --run: at least two pictures")
    parser.add_argument("--browser", default="chromium")
    parser.add_argument("--out", type=Path, help="folder for pictures of the page")
    args = parser.parse_args()
    if args.run and len(args.images) < 2:
        parser.error("--run wants at least two images")
    return args


def check(holds, what):
    print(f"  {'ok' if holds else 'FAILED'}: {what}", flush=True)
    if not holds:
        failures.append(what)


def models(program, folder):
    """Trains: (run folder, pictures) of each task."""
    program = str(Path(program).resolve())
    chips = sorted(CHIPS.glob("*.jpg"))

    def train(recipe, name, *options, cwd=None):
        command = [program, "run", recipe, "--out", str(folder / name), "--quiet", *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=cwd)

    train(TAGS, "tags", "--smoke")
    yield folder / "tags", chips[:3]
    subprocess.run([program, "new", "shapes", "--recipe-only"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    train("shapes.recipe", "classes", cwd=folder / "shapes")
    yield folder / "classes", sorted((folder / "shapes/data/train").rglob("*.png"))[58:62]
    (folder / "chips").mkdir()
    for chip in chips[:200]:
        shutil.copy(chip, folder / "chips")
    sizes = "".join(f"{chip.stem},{chip.stat().st_size / 1000}\n" for chip in chips[:200])
    (folder / "chips/kilobytes.csv").write_text("name,kilobytes\n" + sizes)
    (folder / "number.recipe").write_text(NUMBER)
    train("number.recipe", "number", cwd=folder)
    yield folder / "number", chips[:3]


@contextmanager
def served(program, run):
    """The address of a server that takes one request at a time."""
    command = [program, "serve", str(run), "--listen", "127.0.0.1:0", "--concurrency", "1", "--max-body", str(MOST)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        if not found:
            sys.exit(f"the server does not start: {line}")
        yield found[0]
    finally:
        server.send_signal(signal.SIGTERM)
        server.stdout.read()
        check(server.wait(timeout=SECONDS) == 0, "the server ends with exit code 0")


def post(address, picture, query=""):
    request = urllib.request.Request(address + "predict" + query, picture.read_bytes(), {"content-type": "image/jpeg"})
    return json.load(urllib.request.urlopen(request, timeout=SECONDS))


class Page:
    """The page, with what the browser says of it."""

    def __init__(self, browser, address, out, name):
        self.address, self.out, self.name, self.shots = address, out, name, 0
        self.page = browser.new_page(viewport={"width": 1000, "height": 800})
        self.page.set_default_timeout(1000 * SECONDS)
        self.said, self.statuses = [], []
        self.page.on("console", self.console)
        self.page.on("pageerror", lambda error: self.said.append(f"uncaught: {error}"))
        self.page.on("response", lambda answer: self.statuses.append((answer.url.removeprefix(address), answer.status)))
        self.page.add_init_script("""window.violations = [];
            document.addEventListener('securitypolicyviolation',
                event => window.violations.push(event.effectiveDirective + ' ' + event.blockedURI));""")
        self.page.goto(address)
        self.until(READY)

    def console(self, message):
        # An answer that is an error is repeated there.
        if not re.search("/predict$", message.location["url"]) or "status of" not in message.text:
            self.said.append(f"{message.type}: {message.text}")

    def until(self, expression, argument=None):
        """Waits for it to be true. Playwright's own function evaluates text in the page, which the page's policy forbids."""
        end = time.monotonic() + SECONDS
        while not self.page.evaluate(expression, argument):
            if time.monotonic() > end:
                raise Error(f"not within {SECONDS} s: {' '.join(expression.split())}")
            self.page.wait_for_timeout(20)

    def picture(self, what):
        if self.out:
            self.shots += 1
            self.page.screenshot(path=self.out / f"{self.name}-{self.shots}-{what}.png", full_page=True)

    def choose(self, *pictures):
        self.page.set_input_files("#files", list(pictures))

    def hand(self, kind, name, data, media="image/jpeg"):
        """A file that is dropped on the page or pasted into it."""
        self.page.evaluate("""([kind, name, media, text]) => {
            const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type: media }));
            const options = { bubbles: true, cancelable: true };
            const event = kind === 'paste' ? new ClipboardEvent(kind, { ...options, clipboardData: transfer })
                                           : new DragEvent(kind, { ...options, dataTransfer: transfer });
            document.getElementById('drop').dispatchEvent(event);
        }""", [kind, name, media, base64.b64encode(data).decode()])

    def articles(self, count):
        """What is shown of each picture, the latest first, once there are `count` with an answer."""
        self.until("""count => {
            const all = [...document.querySelectorAll('article')];
            return all.length === count && all.every(each => each.querySelector('.said, .error'));
        }""", count)
        return self.page.evaluate("""() => [...document.querySelectorAll('article')].map(each => ({
            name: each.querySelector('h2').textContent,
            picture: each.querySelector('img').naturalWidth,
            said: each.querySelector('.said')?.textContent ?? null,
            error: each.querySelector('.error')?.textContent ?? null,
            rows: [...each.querySelectorAll('.row')].map(row => ({
                class: row.children[0].textContent,
                percent: parseFloat(row.querySelector('.number').textContent),
                bar: parseFloat(row.querySelector('.fill').style.width),
                on: row.classList.contains('on'),
                mark: parseFloat(row.querySelector('.mark')?.style.left.replace('calc(', '') ?? NaN),
            })),
        }))""")


def agrees(shown, answer, task):
    """Whether what is shown of a picture is the server's answer."""
    if task == "regression":
        # The page shows six digits.
        return not shown["rows"] and abs(float(shown["said"] or "nan") - answer["value"]) <= 1e-5 * abs(answer["value"])
    probabilities, said = answer["probabilities"], answer["said"]
    said = set(said) if task == "multi_label" else {said}
    if set(filter(None, shown["said"].split(", "))) != (said or {"no tag above the threshold"}):
        return False
    rows = shown["rows"]
    # The page rounds to a tenth of a percent.
    near = all(abs(row["percent"] - 100 * probabilities[row["class"]]) < 0.0501 for row in rows)
    near = near and all(abs(row["bar"] - 100 * probabilities[row["class"]]) < 0.01 for row in rows)
    most = sorted(probabilities.values(), reverse=True)[:SHOWN]
    ordered = [probabilities[row["class"]] for row in rows] == most
    return near and ordered and all(row["on"] == (row["class"] in said) for row in rows)


def thresholds(page, address, pictures):
    """Moves the threshold of tags and compares what is said."""
    probabilities = sorted(p for picture in pictures for p in post(address, picture)["probabilities"].values())
    said = set()
    for threshold in (0.0, round(probabilities[len(probabilities) // 2], 2), round(probabilities[-1] - 0.01, 2), 1.0):
        page.page.locator("#threshold").fill(str(threshold))
        shown = page.articles(len(pictures))
        answers = [post(address, picture, f"?threshold={threshold}") for picture in reversed(pictures)]
        right = all(agrees(one, answer, "multi_label") for one, answer in zip(shown, answers))
        marked = all(abs(row["mark"] - 100 * threshold) < 0.01 for one in shown for row in one["rows"])
        label = page.page.text_content("#value")
        check(right and marked and label == f"{threshold:.2f}", f"threshold {threshold:.2f}: the tags are those of the server")
        said.add(tuple(one["said"] for one in shown))
    check(len(said) >= 3, f"the threshold changes the tags ({len(said)} different answers)")
    page.picture("threshold")


def busy(page, address, picture, shown):
    """The only place for a request is taken for a moment: the page asks again."""
    host, port = re.search(r"//(.*):(\d+)/", address).groups()
    end = time.monotonic() + SECONDS
    with socket.create_connection((host, int(port))) as other:
        other.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
        idle = "\nfastai_requests_in_progress 0\n"
        while idle in urllib.request.urlopen(address + "metrics").read().decode() and time.monotonic() < end:
            time.sleep(0.02)
        before = len(page.statuses)
        page.hand("drop", "busy.jpg", picture.read_bytes())
        while ("predict", 503) not in page.statuses[before:] and time.monotonic() < end:
            page.page.wait_for_timeout(50)
        check(("predict", 503) in page.statuses[before:], "a busy server answers 503")
    now = page.articles(shown + 1)[0]
    check(now["error"] is None and now["said"] is not None, "the page asks again when the server is busy")


def use(program, browser, run, pictures, out):
    with served(program, run) as address:
        model = json.load(urllib.request.urlopen(address + "model"))
        task, name = model["task"], model["task"]
        print(f"{model['recipe']}: {task}, {len(model['classes'])} outputs")
        page = Page(browser, address, out, name)
        check(page.page.text_content("h1") == model["recipe"] == page.page.title(), "the title is the recipe")
        check(page.page.is_visible("#controls") == (task == "multi_label"), "a threshold is there for tags alone")
        page.picture("opened")

        page.choose(*pictures)
        shown = page.articles(len(pictures))
        answers = [post(address, picture) for picture in reversed(pictures)]
        named = [one["name"] for one in shown] == [picture.name for picture in reversed(pictures)]
        check(named and all(one["picture"] > 0 for one in shown), "chosen files are there, with names and pictures")
        right = all(agrees(one, answer, task) for one, answer in zip(shown, answers))
        check(right, "what is shown of them is the server's answer")
        page.picture("chosen")
        if len(model["classes"]) > SHOWN:
            page.page.locator("article button").first.click()
            check(len(page.articles(len(pictures))[0]["rows"]) == len(model["classes"]), "a button shows all classes")
        if task == "multi_label":
            page.page.reload()
            page.until(READY)
            page.choose(*pictures)
            page.articles(len(pictures))
            thresholds(page, address, pictures)
        page.page.reload()

        picture, count = pictures[0], 0
        for kind in ("drop", "paste"):
            page.hand(kind, f"{kind}.jpg", picture.read_bytes())
            count += 1
            shown = page.articles(count)[0]
            right = shown["name"] == f"{kind}.jpg" and agrees(shown, post(address, picture), task)
            check(right, f"{kind}: what is shown is the server's answer")
        page.hand("drop", "notes.jpg", b"no image at all")
        count += 1
        shown = page.articles(count)[0]
        check(shown["said"] is None and "image" in (shown["error"] or ""), f"no image: {shown['error']}")
        page.hand("drop", "large.jpg", bytes(MOST * 1_000_000 + 1))
        count += 1
        shown = page.articles(count)[0]
        check(f"at most {MOST} " in (shown["error"] or ""), f"too many bytes: {shown['error']}")
        name = "<img src=x onerror=window.ran=1>.jpg"
        page.hand("drop", name, picture.read_bytes())
        count += 1
        shown = page.articles(count)[0]
        check(shown["name"] == name and not page.page.evaluate("window.ran"), "a name in HTML is text")
        busy(page, address, picture, count)
        page.picture("others")
        page.page.emulate_media(color_scheme="dark")
        page.page.set_viewport_size({"width": 390, "height": 800})
        wide = page.page.evaluate("document.documentElement.scrollWidth")
        check(wide <= 390, f"a narrow window needs no scrolling sideways ({wide} of 390 pixels)")
        page.picture("narrow-dark")

        check(not page.said, f"nothing in the console {page.said or ''}")
        violations = page.page.evaluate("window.violations")
        check(not violations, f"no violation of the page's policy {violations or ''}")
        # Proves that a violation would have been noticed.
        page.page.evaluate("document.body.append(Object.assign(new Image(), { src: location.origin + '/x.png' }))")
        page.until("count => window.violations.length > count", len(violations))
        page.page.close()


def main():
    args = arguments()
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    browser_path = shutil.which(args.browser) or args.browser
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        print(f"chromium {browser.version}")
        given = [(args.run, [Path(image) for image in args.images])] if args.run else models(args.program, Path(folder))
        for run, pictures in given:
            try:
                use(args.program, browser, run, pictures, args.out)
            except Error as error:
                check(False, f"{error}")
        browser.close()
    if failures:
        sys.exit(f"{len(failures)} failed: " + "; ".join(failures))
    print("all as it should be")


if __name__ == "__main__":
    main()
