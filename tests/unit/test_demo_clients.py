"""The demo's clients: what counts as a page, what counts as found, what the load does with errors of its driver."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pymysql.err import OperationalError

from galera_operator.demo import verify
from galera_operator.demo.client import Account, Broken, Client, explain
from galera_operator.demo.load import Load, Plan
from galera_operator.demo.load_process import LoadDied, LoadProcess
from galera_operator.demo.pages import Page, fault, fetch, install_where_asked
from galera_operator.demo.tally import Failure, Result, Stall, Step

WHOLE = "<html><title>Galera on Swarm</title>...</html>\n"


def result(written: dict[int, list[list[int]]], unclear: dict[int, list[list[int]]] | None = None) -> Result:
    return Result(0.0, 1.0, 3, 3, 0, 0, 0, Stall(), (0.0, 0.0, 0.0, 0.0), (), written, unclear or {})


@pytest.fixture
def nobody() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def site() -> Iterator[str]:
    """A web site: `/` is the front page once `/wp-admin/install.php?step=2` was posted, and before it leads to the form."""
    posted: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/" and not posted:
                self.send_response(302)
                self.send_header("Location", "/wp-admin/install.php")
                self.end_headers()
            elif self.path == "/broken":
                self.send_error(500)
            else:
                self.page("<html>the form</html>" if "install" in self.path else WHOLE)

        def do_POST(self) -> None:
            posted.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.page(f"<html>{self.path}</html>")

        def page(self, body: str) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_whole_front_page_in_time_is_no_fault() -> None:
    assert fault(Page(200, WHOLE, 0.3)) is None


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (Page(500, "Internal Server Error", 0.1), "HTTP 500"),
        (Page(0, "TimeoutError: timed out", 10.0), "no answer"),
        (Page(200, WHOLE, 10.4), "took 10.4 s"),
        (Page(200, "<html>Error establishing a database connection</html>", 0.1), "without the title"),
        (Page(200, WHOLE.removesuffix("</html>\n"), 0.1), "cut off"),
    ],
)
def test_anything_else_is_a_failed_page_and_says_why(page: Page, why: str) -> None:
    assert why in (fault(page) or "")


def test_a_new_site_of_the_public_image_is_given_its_title(site: str) -> None:
    form = fetch(site)
    assert fault(form) is not None
    assert install_where_asked(form, "secret")
    page = fetch(site)
    assert fault(page) is None
    assert not install_where_asked(page, "secret")


def test_a_fetch_never_raises(site: str, nobody: int) -> None:
    assert fault(fetch(f"{site}broken")) == "HTTP 500"
    assert "Connection refused" in (fault(fetch(f"http://127.0.0.1:{nobody}/")) or "")


def test_a_write_that_was_acknowledged_and_is_not_found_is_missing() -> None:
    verdict = verify.verify(result({0: [[1, 3]], 1: [[1, 1]]}), {(0, 1), (0, 3), (1, 1)})
    assert (verdict.acknowledged, verdict.found, verdict.missing, verdict.stray) == (4, 3, ((0, 2),), ())


def test_a_write_of_unknown_outcome_may_be_found_or_not() -> None:
    seen = result({0: [[1, 1]]}, unclear={0: [[2, 3]]})
    assert verify.verify(seen, {(0, 1), (0, 2)}) == verify.Verdict(1, 1, (), ())


def test_a_write_that_is_found_though_it_had_failed_is_stray() -> None:
    assert verify.verify(result({0: [[1, 1]]}), {(0, 1), (0, 2)}).stray == ((0, 2),)


def test_the_rows_of_the_client_program_are_read() -> None:
    assert verify.rows_from("0\t1\n7\t120\n") == {(0, 1), (7, 120)}
    assert verify.rows_from("") == set()


def test_an_error_keeps_its_number_and_its_words() -> None:
    assert explain(OperationalError(1047, "not prepared")) == (1047, "OperationalError: not prepared")
    assert explain(ValueError("odd packet")) == (None, "ValueError: odd packet")


def test_a_refused_connection_is_broken_at_connect(nobody: int) -> None:
    client = Client(Account("127.0.0.1", nobody, "demo", ""), 1, 0, pooled=True)
    with pytest.raises(Broken) as broken:
        client.write(1)
    assert (broken.value.step, broken.value.code) == (Step.CONNECT, 2003)
    client.close()


def test_a_load_without_a_database_counts_what_it_did_not_reach_and_stops_at_its_limit(nobody: int) -> None:
    told: list[Failure] = []
    load = Load(Plan([Account("127.0.0.1", nobody, "demo", "")], connections=2, rate=40.0, seconds_max=0.2), told.append)
    load.start()
    for thread in load._threads:
        thread.join(10)
    assert load.is_over
    seen = load.stop()
    assert seen.transactions == seen.unconnected == len(told) > 0
    assert seen.acknowledged == seen.failed == 0


def test_the_load_process_stops_when_asked_and_gives_its_result(nobody: int) -> None:
    first = threading.Event()
    process = LoadProcess(["127.0.0.1"], "", arguments=["--port", str(nobody)], on_failure=lambda _: first.set())
    assert first.wait(20)
    process.check()
    assert process.stop().unconnected > 0


def test_a_load_process_that_ends_by_itself_says_its_last_words() -> None:
    process = LoadProcess(["127.0.0.1"], "", arguments=["--port", "none"])
    with pytest.raises(LoadDied, match="invalid int value"):
        process.stop()
