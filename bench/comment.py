"""The picture of a gate's comment: an answer in Markdown, as a page of plain style, photographed by Chromium.

Needs markdown-it-py, Playwright and Chromium.

python bench/comment.py answer.md .github/actions/grouped-bench/comment.png
"""

import sys
import tempfile
from pathlib import Path

import pages
from markdown_it import MarkdownIt

WIDTH, HEIGHT = 860, 10
_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #1f2328; margin: 0; padding: 16px; width: 828px }
table { border-collapse: collapse; margin: 12px 0 } th, td { border: 1px solid #d1d9e0; padding: 5px 12px }
tr:nth-child(2n) td { background: #f6f8fa } details { margin: 6px 0 } p { margin: 8px 0 }
"""


def main(answer: str, picture: str) -> None:
    """Write the picture."""
    from playwright.sync_api import sync_playwright

    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(Path(answer).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page_file = Path(folder) / "comment.html"
        page_file.write_text(f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style>{body}", encoding="utf-8")
        browser = driver.chromium.launch(executable_path=pages.browser_path(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1)
        page.goto(page_file.as_uri())
        page.screenshot(path=picture, full_page=True)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
