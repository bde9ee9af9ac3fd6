"""Drops photos on the page of `keras-lightnets try` in Chromium: run_browser.py ADDRESS FILE PICTURE PHOTO...

Prints the version, the scores by class of each photo, the classes that the camera saw, what the page says of a text
file, and the addresses of others that were asked. PICTURE is a file for a picture of the page, or "".
"""

import base64
import json
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  document.getElementById("status").textContent = "";
  document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
}"""
CLASSES = """() => [...document.querySelectorAll("#classes li")].map(
  (row) => [row.querySelector("span").textContent, Number(row.querySelector("data").value)])"""


def main(address, file, picture, *photos):
    """Runs the page."""
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    # Chromium has no sandbox for root.
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 900, "height": 640})
        foreign = []
        page.on("request", lambda request: request.url.startswith(address) or foreign.append(request.url[:80]))
        page.goto(address)
        status = page.locator("#status")

        def wait(text):
            status.filter(has_text=text).wait_for(timeout=60_000)

        wait(" is ready")
        page.select_option("#files", file)
        wait(f"{file} is ready")
        scores = []
        for photo in map(Path, photos):
            _drop(page, photo.name, photo.read_bytes())
            wait(" ms ")
            scores.append(page.evaluate(CLASSES))
        if picture:
            page.screenshot(path=picture)
        _drop(page, "notes.txt", b"no image")
        wait("notes.txt")
        said = status.text_content()
        page.click("#camera")
        wait(" ms ")
        seen = page.evaluate(CLASSES)
        page.click("#camera")
        print(
            json.dumps({"version": browser.version, "scores": scores, "said": said, "camera": seen, "foreign": foreign})
        )
        browser.close()


def _drop(page, name, content):
    page.evaluate(DROP, [name, base64.b64encode(content).decode()])


if __name__ == "__main__":
    main(*sys.argv[1:])
