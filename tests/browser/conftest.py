"""One JupyterLab and one browser for all tests of this folder."""

from __future__ import annotations

import contextlib

import pytest

from tests.browser._lab import CHROMIUM, CHROMIUM_FLAGS, MOST_MS, OpenNotebook, running_lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The address of a running JupyterLab, and its folder."""
    with running_lab(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.fixture(scope="session")
def chromium():
    """A browser without a window."""
    # Here, not above: without the browser's extra, these tests are left out and must still be collected.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS, headless=True)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def new_page(chromium):
    """Opens a page of 1280 by 1000 pixels that may use the clipboard, for the length of a block."""
    from playwright.sync_api import Error, expect

    expect.set_options(timeout=MOST_MS)
    # One for all pages: it keeps JupyterLab's programs, which each page would load anew.
    context = chromium.new_context(viewport={"width": 1280, "height": 1000}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])

    @contextlib.contextmanager
    def opened():
        page = context.new_page()
        page.set_default_timeout(MOST_MS)
        yield page
        with contextlib.suppress(Error):
            # Kernels that nobody sees any more take memory from those that are seen.
            page.evaluate("window.jupyterapp?.shell?.currentWidget?.sessionContext?.shutdown?.()")
        page.close()

    yield opened
    context.close()


@pytest.fixture
def page(new_page):
    """A page of its own."""
    with new_page() as found:
        yield found


@pytest.fixture
def notebook(page, lab):
    """Writes a notebook with the given cells, opens it and runs them all."""

    def opened(*cells: str) -> OpenNotebook:
        return OpenNotebook(page, lab, lab.write(*cells)).open().run()

    return opened
