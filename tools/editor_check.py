#!/usr/bin/env python3
"""Asks rust-analyzer, as an editor does, about recipes: hover, go to definition, completion; whole recipes and broken ones.

    python3 tools/editor_check.py [--minutes 10]

Needs `rustup component add rust-analyzer rust-src`. Makes a temporary crate that depends on fastai-dsl and fastai-macros (no
burn), prints every answer, and fails if one is not what it should be.
"""

import json
import os
import pathlib
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time

from places import ROOT

# `$1`, `$A` .. are the places that are asked about; they are taken out of the text.
FIXTURE = """
macro_rules! recipe {
    ($($tokens:tt)*) => { ::fastai_macros::recipe_at! { [::fastai_dsl] $($tokens)* } };
}

recipe! {
    Whole {
        task: single_label,
        data: folders { root: "data", ba$1tch: 32 },
        transforms: side_on { size: 64 },
        model: squeezenet$21_1,
        metrics: [accuracy],
        train: { precompute(on); f$3it(1e-2, 3, cycle_$4len = 1); },
    }
}

recipe! {
    Broken {
        task: single_label,
        data: folders { root: "data" },
        transforms: side_on { size: 64 },
        model: squeezenet$51_1,
        metrics: [acuracy],
        train: { precompute(off); f$6it(1e-2, 3); unf$7(); },
    }
}

recipe! {
    Typing {
        task: single_label,
        data: folders { root: "data", ba$8: 3 },
        transforms: side_on { size: 64 },
        model: squeezenet1_1,
        metrics: [accuracy],
        tr$9: 3,
    }
}

recipe! {
    Begun {
        task: single_label,
        data: folders { root: "data" },
        transforms: side_on { size: 64 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
            unf$A
            fit(1e-3, 1);
        },
    }
}

recipe! {
    BegunInLoop {
        task: single_label,
        model: squeezenet,
        train: {
            for size in [64, 128] { resi$B }
        },
    }
}

recipe! {
    BegunBinding {
        task: single_label,
        train: { let lr = lr_f$C; },
    }
}
"""
# place: (request, what the answer must contain)
ASKED = {
    "1": ("hover", "Images a batch"),
    "2": ("definition", "words.rs"),
    "3": ("hover", "Trains"),
    "4": ("hover", "Epochs of the first cycle"),
    "5": ("definition", "words.rs"),
    "6": ("hover", "Trains"),
    "7": ("completion", "unfreeze"),
    "8": ("completion", "batch"),
    "9": ("completion", "transforms"),
    "A": ("completion", "unfreeze"),
    "B": ("completion", "resize"),
    "C": ("completion", "lr_find"),
}


class Server:
    def __init__(self, folder):
        self.process = subprocess.Popen(
            ["rust-analyzer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder
        )
        self.next = 0
        self.answers = {}
        self.idle = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def read(self):
        out = self.process.stdout
        while True:
            length = None
            while (line := out.readline().strip()) != b"":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if length is None:
                return
            message = json.loads(out.read(length))
            if "method" in message and "id" in message:
                count = len(message.get("params", {}).get("items", [])) if message["method"] == "workspace/configuration" else 0
                self.send({"id": message["id"], "result": [None] * count if count else None})
            elif message.get("method") == "experimental/serverStatus":
                if message["params"].get("quiescent"):
                    self.idle.put(message["params"])
            elif "id" in message:
                self.answers[message["id"]] = message

    def ask(self, method, params, seconds):
        self.next += 1
        number = self.next
        self.send({"id": number, "method": method, "params": params})
        end = time.monotonic() + seconds
        while number not in self.answers:
            if time.monotonic() > end:
                raise TimeoutError(method)
            time.sleep(0.05)
        return self.answers.pop(number)


def main():
    minutes = float(sys.argv[sys.argv.index("--minutes") + 1]) if "--minutes" in sys.argv else 10
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "src").mkdir()
        (scratch / "Cargo.toml").write_text(
            '[package]\nname = "fixture"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\n'
            f'fastai-dsl = {{ path = "{ROOT}/fastai-dsl" }}\nfastai-macros = {{ path = "{ROOT}/fastai-macros" }}\n'
        )
        text, places = "", {}
        for part in re.split(r"(\$[0-9A-Z])", FIXTURE):
            if re.fullmatch(r"\$[0-9A-Z]", part):
                places[part[1]] = (text.count("\n"), len(text.rsplit("\n", 1)[-1]))
            else:
                text += part
        source = scratch / "src/lib.rs"
        source.write_text(text)
        uri = source.as_uri()
        server = Server(scratch)
        options = {
            "checkOnSave": False,
            "cachePriming": {"enable": False},
            "cargo": {"targetDir": os.environ.get("EDITOR_TARGET", True)},
            "procMacro": {"enable": True},
        }
        capabilities = {"experimental": {"serverStatusNotification": True}, "textDocument": {"hover": {"contentFormat": ["markdown"]}}}
        server.ask(
            "initialize",
            {"processId": os.getpid(), "rootUri": scratch.as_uri(), "capabilities": capabilities, "initializationOptions": options},
            60 * minutes,
        )
        server.send({"method": "initialized", "params": {}})
        document = {"uri": uri, "languageId": "rust", "version": 1, "text": text}
        server.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        print("waiting for rust-analyzer:", server.idle.get(timeout=60 * minutes))
        failures = 0
        for place, (request, expected) in ASKED.items():
            line, column = places[place]
            position = {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}
            answer = server.ask(f"textDocument/{request}", position, 60 * minutes).get("result")
            if request == "hover":
                got = (answer or {}).get("contents", {}).get("value", "nothing")
            elif request == "definition":
                got = ", ".join(a.get("targetUri", a.get("uri", "")) for a in answer or []) or "nothing"
            else:
                items = answer["items"] if isinstance(answer, dict) else answer or []
                labels = [item["label"] for item in items]
                got = f"{len(labels)}: {', '.join(sorted(labels, key=lambda label: expected not in label))}"
            good = expected in got
            failures += not good
            print(f"{'ok  ' if good else 'FAIL'} {request} at {line + 1}:{column + 1}: {got[:300]!r}")
        server.process.kill()
        return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
