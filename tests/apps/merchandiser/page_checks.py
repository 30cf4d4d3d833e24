"""Checks of how a page looks in a browser: cut texts, and texts that differ too little from their background."""

import time

from tests.apps.merchandiser.browser import BrowserPage

MIN_CONTRAST = 4.5
"""Minimum contrast of a text to its background, by the guidelines for accessible pages (WCAG 2, level AA)."""

SETTLED_SECONDS = 0.4
"""Seconds without a change, after which a page is drawn."""

READ_STATE = """
    const app = document.querySelector("[data-testid=stApp]");
    const isBusy = app?.dataset.testScriptState !== "notRunning"
        || document.querySelector("[data-testid=stSkeleton], [data-stale=true]")
        || [...document.querySelectorAll("[data-testid=stDataFrame]")].some(
            table => table.checkVisibility() && !table.querySelector("canvas")
        );
    return isBusy ? null : document.querySelector("[data-testid=stMain]").innerText + window.drawnTexts?.length;
"""
"""Script that returns the texts of the page, and the number of drawn texts; nothing while something is missing."""

RECORD_DRAWN_TEXTS = """
    if (!window.drawnTexts) {
        window.drawnTexts = [];
        const {fillText} = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
            const isTable = this.canvas.closest("[data-testid=stDataFrame]");
            if (isTable) window.drawnTexts.push([String(text), this.fillStyle, this.globalAlpha]);
            return fillText.apply(this, [text, ...rest]);
        };
    }
"""
"""Script of each new page that collects the texts of tables, with their colors."""

FIND_CUT_ELEMENTS = """
    return [...document.querySelector("[data-testid=stMain]").querySelectorAll("*")]
        .filter(element => {
            const style = getComputedStyle(element);
            const canCut = style.overflowX === "hidden" || style.overflowX === "clip";
            return element.textContent.trim() && canCut && element.clientWidth > 1
                && !element.closest("[data-testid=stDataFrame], [data-testid=stVegaLiteChart]")
                && element.scrollWidth > element.clientWidth + 1;
        })
        .map(element => element.textContent.trim());
"""
"""Script that returns the texts that do not fit into their elements."""

FIND_PALE_TEXTS = """
    const context = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const parse = color => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = color;
        context.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
        return [red, green, blue, alpha / 255];
    };
    const blend = (top, bottom) => [0, 1, 2].map(index => top[3] * top[index] + (1 - top[3]) * bottom[index]);
    const page = parse(getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor).slice(0, 3);
    const findBackground = element => {
        const layers = [];
        const box = element.getBoundingClientRect();
        for (let parent = element; parent; parent = parent.parentElement) {
            // A text can be outside its parent, such as the number above the handle of a slider.
            const {left, right, top, bottom} = parent.getBoundingClientRect();
            const isBehind = left <= box.left && right >= box.right && top <= box.top && bottom >= box.bottom;
            const layer = isBehind ? parse(getComputedStyle(parent).backgroundColor) : [0, 0, 0, 0];
            layers.push(layer);
            if (layer[3] === 1) break;
        }
        return layers.reverse().reduce((bottom, top) => blend(top, bottom), page);
    };
    const findOpacity = element => {
        let opacity = 1;
        for (let parent = element; parent; parent = parent.parentElement) opacity *= getComputedStyle(parent).opacity;
        return opacity;
    };
    const luminance = color => {
        const [red, green, blue] = color.map(value => {
            const share = value / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const computeContrast = (text, background) => {
        const [dark, bright] = [luminance(text), luminance(background)].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const measured = [];
    const walker = document.createTreeWalker(document.querySelector("[data-testid=stMain]"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const isLeftOut = element.closest(
            ":disabled, [aria-disabled=true], [data-testid=stIconMaterial], [data-testid=stVegaLiteChart], style"
        );
        const isVisible = element.checkVisibility({visibilityProperty: true});
        if (!walker.currentNode.data.trim() || isLeftOut || !isVisible) continue;
        const style = getComputedStyle(element);
        const color = parse(element instanceof SVGElement ? style.fill : style.color);
        color[3] *= findOpacity(element);
        if (color[3] === 0) continue;
        const background = findBackground(element);
        measured.push([walker.currentNode.data.trim(), computeContrast(blend(color, background), background)]);
    }
    for (const [text, style, alpha] of window.drawnTexts ?? []) {
        // A dash for a missing value is pale on purpose.
        if (typeof style !== "string" || !/[\\p{L}\\p{N}]/u.test(text)) continue;
        const color = parse(style);
        color[3] *= alpha;
        measured.push([text, computeContrast(blend(color, page), page)]);
    }
    return [measured.length, measured.filter(([, contrast]) => contrast < arguments[0])];
"""
"""Script that returns the number of the visible texts, and those with a low contrast to their background.

Streamlit decides the colors of a chart's texts.
"""


def prepare_checks(page: BrowserPage) -> None:
    """Record what the pages draw that are opened from now on."""
    page.record_cut_texts()
    page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": RECORD_DRAWN_TEXTS})


def wait_until_drawn(page: BrowserPage) -> None:
    """Wait until the script has run and the page no longer changes."""
    seen: tuple[object, float] = (None, time.monotonic())

    def has_settled() -> bool:
        nonlocal seen
        state = page.driver.execute_script(READ_STATE)
        if state is None or state != seen[0]:
            seen = (state, time.monotonic())
        return state is not None and time.monotonic() - seen[1] > SETTLED_SECONDS

    page.wait_for(has_settled)


def find_cut_texts(page: BrowserPage) -> set[str]:
    """Return the texts that do not fit into the cells of tables, into their elements, or into the window."""
    return page.read_cut_texts() | set(page.driver.execute_script(FIND_CUT_ELEMENTS))


def find_pale_texts(page: BrowserPage) -> list[tuple[str, float]]:
    """Return the visible texts with less than the minimum contrast, and their contrast."""
    count, pale_texts = page.driver.execute_script(FIND_PALE_TEXTS, MIN_CONTRAST)
    assert count > 0, "the page has no text"
    return [(text, round(contrast, 2)) for text, contrast in pale_texts]
