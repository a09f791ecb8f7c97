"""The origin article's own stack, image names replaced and this operator added: it deploys, and scales 1 -> 3 -> 1."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from deployment import CHARTS, Deployment

from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.waiting import NotYet, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def article(sandbox: Sandbox) -> Iterator[Deployment]:
    deployment = Deployment(sandbox, "wordpress")
    deployment.deploy(CHARTS / "article" / "stack.yml")
    try:
        yield deployment
    finally:
        deployment.remove()


def http_status(url: str) -> int:
    """0 when nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def pages(article: Deployment) -> dict[str, int]:
    """HTTP status of the front page, by node that runs WordPress."""
    found = {}
    for task in article.running("wordpress_wordpress").values():
        node = next(node for node in article.sandbox.nodes if node.name == task.node)
        url = f"http://{node.address}:8080/"
        answer = article.sandbox.inside(
            1, "curl", "--silent", "--max-time", "10", "--output", "/dev/null", "--write-out", "%{http_code}", url
        )
        found[task.node] = int(answer.stdout or 0)
    return found


def serves(article: Deployment) -> dict[str, int] | NotYet:
    found = pages(article)
    return found if len(found) == 2 and set(found.values()) == {200} else NotYet(found)


def test_the_article_story_works_from_its_own_stack_file(article: Deployment) -> None:
    wait_until(lambda: serves(article), 180, "both WordPress replicas to serve", every=1)
    first = article.running()
    article.label(replicas="3")
    article.wait_settled(3)
    assert set(first) < set(article.running())
    assert serves(article)
    article.label(replicas="1")
    article.wait_settled(1)
    assert article.running() == first
    assert serves(article)
