"""When an image is built again, and how its layers are filed."""

from pathlib import Path

import pytest

from galera_operator.sandbox.base_image import Mirror, mirror_from_sources
from galera_operator.sandbox.errors import SandboxError
from galera_operator.sandbox.image_store import chain_ids, named_images, share
from galera_operator.sandbox.images import Image, chosen, content_hash, copied

IMAGE = Image("thing:dev", "Dockerfile", ".")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM debian:trixie-slim\nCOPY src /src\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("1")
    (tmp_path / "README.md").write_text("not copied")
    return tmp_path


def test_what_is_copied_is_read_from_the_dockerfile():
    text = (
        "FROM x\nCOPY --chown=a:b one two/ \\\n  three /to/\nCOPY --from=build /out /in\n"
        'ADD ["with space", "/dest"]\nADD https://example.test/x /x\ncopy *.toml ./\n'
    )

    assert copied(text) == ["one", "two/", "three", "with space", "*.toml"]


@pytest.mark.parametrize("change", ["src/a.py", "src/new.py", "Dockerfile"])
def test_the_hash_changes_with_what_the_image_is_made_of(repository, change):
    before = content_hash(repository, IMAGE, "base")

    with (repository / change).open("a") as file:
        file.write("# changed\n")

    assert content_hash(repository, IMAGE, "base") != before


def test_the_hash_changes_with_the_base_image_the_target_and_a_file_mode(repository):
    before = content_hash(repository, IMAGE, "base")
    other_target = Image("thing:dev", "Dockerfile", ".", target="member")

    assert content_hash(repository, IMAGE, "another") != before
    assert content_hash(repository, other_target, "base") != before
    (repository / "src/a.py").chmod(0o755)
    assert content_hash(repository, IMAGE, "base") != before


@pytest.mark.parametrize("unseen", ["README.md", "src/__pycache__/a.pyc"])
def test_the_hash_stays_when_something_else_changes(repository, unseen):
    before = content_hash(repository, IMAGE, "base")

    (repository / unseen).parent.mkdir(exist_ok=True)
    (repository / unseen).write_text("changed")

    assert content_hash(repository, IMAGE, "base") == before


def test_a_missing_dockerfile_is_named(tmp_path):
    with pytest.raises(SandboxError, match="Dockerfile: no such file; expected the Dockerfile of thing:dev"):
        content_hash(tmp_path, IMAGE, "base")


def test_an_unknown_image_name_is_refused_with_the_known_ones():
    with pytest.raises(SandboxError, match=r"no such image: mariadb; expected of: debian:trixie-slim, galera"):
        chosen(["mariadb"])


def test_layers_are_filed_under_themselves_and_all_below_them():
    # sha256 of "sha256:a sha256:b", as the OCI image specification defines a chain id.
    assert chain_ids(["sha256:a"]) == ["sha256:a"]
    assert chain_ids(["sha256:a", "sha256:b"])[1] == ("sha256:970a948bffa8de94d6e22d747ba8c95030e6e546909f98f54e99a13005e173a8")


def test_sharing_from_a_builder_that_never_ran_gives_no_image(tmp_path):
    assert named_images(tmp_path) == {}
    assert share(tmp_path, tmp_path / "target", ["debian:trixie-slim"]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            (
                "Types: deb\nURIs: http://mirror.test/debian/\nSuites: bookworm bookworm-updates\nComponents: main\n\n"
                "Types: deb\nURIs: http://mirror.test/debian-security\nSuites: bookworm-security\n"
            ),
            Mirror("http://mirror.test/debian", "http://mirror.test/debian-security"),
        ),
        (
            "deb [arch=amd64] http://mirror.test/debian bookworm main\ndeb-src http://other.test/debian bookworm main\n",
            Mirror("http://mirror.test/debian", None),
        ),
        ("Types: deb\nEnabled: no\nURIs: http://mirror.test/debian\nSuites: bookworm\n", None),
        ("deb https://example.test/cloud cloud-sdk main\n", None),
    ],
)
def test_the_debian_mirror_is_read_from_apts_sources(text, expected):
    assert mirror_from_sources([text]) == expected
