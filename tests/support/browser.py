"""Debian's Chromium, driven: pages opened from a file, with all that they ask for and complain of."""

import contextlib
import importlib.util
import os
import shutil

import pytest

REQUIRED = os.environ.get("GROUPED_BENCH_BROWSER") == "required"
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def missing():
    """Why no browser can be started, or None."""
    for name in ("playwright", "axe_playwright_python"):
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed (pip install '.[dev]')"
    return None if _found() else f"none of {', '.join(_NAMES)} is installed (apt-get install chromium)"


def _found():
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextlib.contextmanager
def started():
    """A browser; where there is none the test is skipped, or fails if GROUPED_BENCH_BROWSER is `required`."""
    if reason := missing():
        (pytest.fail if REQUIRED else pytest.skip)(f"no test in a browser: {reason}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # A container's root has no sandbox to give.
        browser = driver.chromium.launch(executable_path=_found(), args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """One page in a window of its own; `told` is what it complained of, `asked` what it asked for beside itself."""

    def __init__(self, browser, path, fragment="", *, width=1280, height=900, **context):
        self.context = browser.new_context(viewport={"width": width, "height": height}, **context)
        self.page = self.context.new_page()
        self.told, self.asked = [], []
        self.page.on("console", lambda message: self.told.append(message.text))
        self.page.on("pageerror", lambda problem: self.told.append(str(problem)))
        self.page.on("dialog", lambda dialog: (self.told.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri() + fragment)
        self.asked = [url for url in self.asked if not url.startswith((path.as_uri(), "data:"))]

    def ready(self):
        """The page once its explorer answers."""
        self.page.wait_for_selector("#explorer[data-ready]", state="attached")
        return self.page

    def drawn(self):
        """The page once its chart is drawn."""
        self.ready().locator("#explore-chart").scroll_into_view_if_needed()
        self.page.wait_for_selector("#explore-chart[data-drawn]")
        return self.page

    def close(self):
        self.context.close()
