"""openai-whisper's own loop, greedy, one file after another.

    python plain_whisper_loop.py CHECKPOINT FILE...

Prints JSON: the seconds after a warm-up on the first file, and the texts.
"""

from __future__ import annotations

import json
import sys
import time

import soundfile
import whisper


def main() -> None:
    model = whisper.load_model(sys.argv[1], device="cpu")
    texts: list[str] = []
    started = 0.0
    for number, path in enumerate([sys.argv[2], *sys.argv[2:]]):
        if number == 1:  # the first file warms up
            texts, started = [], time.perf_counter()
        samples = soundfile.read(path, dtype="float32")[0]
        found = model.transcribe(
            samples, language="en", temperature=0.0, condition_on_previous_text=False, fp16=False
        )
        texts.append(found["text"])
    print(json.dumps({"seconds": time.perf_counter() - started, "texts": texts}))


if __name__ == "__main__":
    main()
