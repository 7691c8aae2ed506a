"""The page in a real browser: it follows by itself, says when it cannot, and follows again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.integration.worklist_world import Server, World, make_answer, make_study, serving, uid, worklist_world

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE_MS = 20_000
HOSTILE = "<img src=x onerror=\"document.title='taken'\">^<script>document.title='taken'</script>"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium at /usr/bin/chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with worklist_world(tmp_path) as made:
        made.activate()
        made.name(1)
        made.tell(make_study(1))
        yield made


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    with serving(world) as started:
        yield started


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The page, opened once and following; nobody reloads it."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    opened.goto(server.address)
    opened.evaluate("window.openedOnce = true")
    expect(opened.locator("#following")).to_have_text("following")
    yield opened
    opened.close()


def test_new_study_appears_by_itself(page: Page, world: World) -> None:
    expect(page.locator("tbody tr")).to_have_count(1)
    world.name(2, "Nieuw^Jan")
    world.tell(make_study(2))

    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_text("Nieuw, Jan")).to_be_visible()
    assert page.evaluate("window.openedOnce") is True


def test_flagged_study_moves_to_the_top_by_itself(page: Page, world: World) -> None:
    world.tell(make_study(2), make_answer(2, 0.9))

    first = page.locator("tbody tr").first
    expect(first).to_have_attribute("data-item", uid(2))
    expect(first).to_contain_text("bleeding possible, flagged by head")
    expect(first).to_contain_text("urgent")


def test_suspended_model_shows_its_banner_by_itself(page: Page, world: World) -> None:
    banner = page.get_by_text("head is suspended for stroke: the order is without it")
    expect(banner).to_have_count(0)
    world.suspend()

    expect(banner).to_be_visible()


def test_page_says_when_the_connection_is_gone_and_follows_again_when_it_is_back(
    page: Page, server: Server, world: World
) -> None:
    order = page.locator(".order time").inner_text()
    notice = page.locator("#connection")
    expect(notice).to_be_hidden()
    server.stop()

    expect(notice).to_be_visible()
    expect(notice).to_contain_text(f"Connection lost: this is the order of {order}")
    expect(page.locator("#following")).to_have_text("not following")
    expect(page.locator(".order")).to_contain_text(f"order of {order}")
    expect(page.locator("tbody tr")).to_have_count(1)
    world.tell(make_study(2))
    server.start()

    expect(page.locator("tbody tr")).to_have_count(2)
    expect(notice).to_be_hidden()
    expect(page.locator("#following")).to_have_text("following")
    world.tell(make_study(3))
    expect(page.locator("tbody tr")).to_have_count(3)
    assert page.evaluate("window.openedOnce") is True


def test_page_says_when_a_server_that_is_there_does_not_speak(browser: Browser, server: Server) -> None:
    """The connection stays open and nothing comes: a machine that hangs, a cable that was pulled."""
    page = browser.new_page()
    page.route("**/changes", lambda _: None)  # neither answered nor refused
    page.clock.install()
    page.goto(server.address)
    expect(page.locator("#connection")).to_be_hidden()
    page.clock.run_for(6_000)

    expect(page.locator("#connection")).to_be_visible(timeout=PATIENCE_MS)
    page.close()


def test_page_asks_its_own_origin_alone_and_reports_no_error(browser: Browser, server: Server, world: World) -> None:
    world.name(1, HOSTILE, HOSTILE)
    asked: list[str] = []
    said: list[str] = []
    page = browser.new_page()

    def on_request(request: Request) -> None:
        asked.append(request.url)

    def on_console(message: ConsoleMessage) -> None:
        said.append(message.text)

    page.on("request", on_request)
    page.on("console", on_console)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(server.address)
    expect(page.locator("#following")).to_have_text("following")
    world.tell(make_study(2), make_answer(2, 0.9))
    expect(page.locator("tbody tr")).to_have_count(2)
    title = page.title()
    page.close()

    assert {url.removeprefix(server.address).split("?")[0] for url in asked} >= {"/", "/rows", "/changes"}
    assert [url for url in asked if not url.startswith(f"{server.address}/")] == []
    assert said == []
    assert title == "Reading list · voorrang"


def test_whole_list_of_ten_fits_a_small_screen(page: Page, world: World) -> None:
    world.tell(*(make_study(n) for n in range(2, 11)))
    expect(page.locator("tbody tr")).to_have_count(10)

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")


def test_very_long_texts_stay_within_the_page(page: Page, world: World) -> None:
    world.name(1, "W" * 400, "W" * 250)
    world.tell(make_study(2))
    expect(page.locator("tbody tr")).to_have_count(2)

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_notice_stays_in_sight_far_down_the_list(page: Page, server: Server, world: World) -> None:
    world.tell(*(make_study(n) for n in range(2, 40)))
    expect(page.locator("tbody tr")).to_have_count(39)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    server.stop()

    expect(page.locator("#connection")).to_be_in_viewport()


def test_a_reader_opens_judges_and_closes_on_the_page_under_its_strict_policy(browser: Browser, tmp_path: Path) -> None:
    said: list[str] = []
    with worklist_world(tmp_path, readers={"anna": "radiologist", "bram": "resident"}) as world:
        world.activate()
        world.tell(make_study(1), make_study(2), make_answer(2, 0.9))
        with serving(world) as server:
            page = browser.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(server.address)
            first = page.locator(f'tr[data-item="{uid(2)}"]')
            page.get_by_role("button", name="Next").click()
            expect(first).to_contain_text("anna has it until", timeout=PATIENCE_MS)
            first.locator("select").select_option("artefact")
            expect(first).to_contain_text("anna: ai wrong, artefact", timeout=PATIENCE_MS)
            first.get_by_role("button", name="Done").click()
            expect(first).to_have_count(0, timeout=PATIENCE_MS)
            page.locator("#answer").get_by_role("button", name="Undo").click()
            expect(first).to_contain_text("anna has it until", timeout=PATIENCE_MS)
            page.close()
        closed = [event.data.why for event in world.announced("reading-closed")]

    assert (said, closed) == ([], ["by_hand"])


def test_done_is_about_the_studies_that_the_row_had_when_it_was_pressed(browser: Browser, tmp_path: Path) -> None:
    """A study comes after the row was drawn, and the page has not heard of it: the key is not about that one."""
    with worklist_world(tmp_path, readers={"anna": "radiologist"}) as world:
        world.tell(make_study(1), order_key="o_1")
        with serving(world) as server:
            page = browser.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.route("**/changes", lambda _: None)  # it hears of nothing
            page.goto(server.address)
            row = page.locator('tr[data-item="o_1"]')
            expect(row).to_have_count(1, timeout=PATIENCE_MS)
            world.tell(make_study(2), order_key="o_1")
            row.get_by_role("button", name="Done").click()
            expect(row).to_contain_text("1 of its 2 studies was read before", timeout=PATIENCE_MS)
            said = page.locator("#answer")
            expect(said).to_contain_text("1 study came that you had not seen", timeout=PATIENCE_MS)
            assert world.row(2).studies_to_read == (uid(2),)
            said.get_by_role("button", name="Undo").click()
            expect(row).to_contain_text("2 studies to read", timeout=PATIENCE_MS)
            row.get_by_role("button", name="Done").click()
            expect(row).to_have_count(0, timeout=PATIENCE_MS)
            expect(said).to_contain_text("Done: it left the list", timeout=PATIENCE_MS)
            page.close()


def test_a_list_that_answers_slower_than_it_changes_is_shown_all_the_same(page: Page, world: World) -> None:
    """Each answer comes after the next change was heard of: older than what is wanted, newer than the page."""
    page.evaluate("window.held = []; window.fetch = () => new Promise((answer) => window.held.push(answer)); void 0")
    page.evaluate("void refresh(); void refresh()")
    page.evaluate("held[0](new Response('<table><tr><td>the first answer</td></tr></table>'))")
    expect(page.get_by_text("the first answer")).to_be_visible()

    page.wait_for_function("held.length === 2")  # what was wanted meanwhile is asked for then
    page.evaluate("held[1](new Response('<table><tr><td>the second answer</td></tr></table>'))")
    expect(page.get_by_text("the second answer")).to_be_visible()
    page.evaluate("void refresh()")
    page.wait_for_function("held.length === 3")
