"""`vda media` gives a browser what lies below the datasets' own folders, a range at a time, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from starlette.testclient import TestClient

from vda_assets.cli.media import media_app
from vda_assets.project import load_project
from vda_assets.runs.links import media_link
from vda_assets.storage.layout import outputs_folder
from vda_assets_tests.cli.project import DATASET, Project, project_on
from vda_assets_tests.quick_results import change_yaml
from vda_assets_tests.storage.emulators import secrets_of

OTHER_PAGES = ("run-1/report.html", "report/other.html", "report/x/y/report.html")
VIDEO = bytes(range(256)) * 4000


@pytest.fixture(scope="module", params=["file", "s3", "azure"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project_on(request.param, tmp_path_factory.mktemp("media")) as project:
        storage, outputs = project.place.storage, outputs_folder(project.place.root, DATASET)
        storage.write_bytes(project.clips / "a b.mp4", VIDEO)
        storage.write_bytes(outputs / "run-1/display/a_compare.webp", b"picture")
        for name in ("report/report.html", "report/run-0a1b2c3d/report.html", "report/report.csv"):
            storage.write_bytes(outputs / name, b"<script>1</script>")
        for secret in (*OTHER_PAGES, "notes.txt", "run-1/setup_b0/worker.py"):
            storage.write_bytes(outputs / secret, b"not for a page")
        storage.write_bytes(project.place.root / "other/x.mp4", b"of somebody else")
        yield project


@pytest.fixture
def client(project: Project, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    return client_of(project, monkeypatch)


def client_of(project: Project, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    for name, value in secrets_of(project.place).items():
        monkeypatch.setenv(name, value)
    known = {"VDA_ASSETS_CFG": str(project.folder / "assets_cfg"), "VDA_HOME": str(project.folder / "home")}
    return TestClient(media_app(load_project(known)), raise_server_exceptions=False)


CLIP = f"/{DATASET}/clips/a%20b.mp4"


def test_a_clip_is_given_whole(client: TestClient) -> None:
    answer = client.get(CLIP)
    assert (answer.status_code, answer.content) == (200, VIDEO)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    asked = client.head(CLIP)
    assert (asked.headers["content-length"], asked.content) == (str(len(VIDEO)), b"")


@pytest.mark.parametrize(
    ("asked", "first", "behind"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=1000000-", 1_000_000, len(VIDEO)),
        ("bytes=-10", len(VIDEO) - 10, len(VIDEO)),
        ("bytes=5-99999999", 5, len(VIDEO)),
    ],
)
def test_a_player_gets_the_range_that_it_asks_for(client: TestClient, asked: str, first: int, behind: int) -> None:
    answer = client.get(CLIP, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, VIDEO[first:behind])
    assert answer.headers["content-range"] == f"bytes {first}-{behind - 1}/{len(VIDEO)}"


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=9-5", "bytes=-0"])
def test_an_impossible_range_is_refused(client: TestClient, asked: str) -> None:
    assert client.get(CLIP, headers={"Range": asked}).status_code == 416


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=-"])
def test_what_is_no_single_range_gets_all(client: TestClient, asked: str) -> None:
    assert client.get(CLIP, headers={"Range": asked}).status_code == 200


def test_a_link_of_a_result_leads_to_it(client: TestClient, project: Project) -> None:
    dataset = load_project({"VDA_ASSETS_CFG": str(project.folder / "assets_cfg")}).datasets[DATASET]
    url = outputs_folder(project.place.root, DATASET) / "run-1/display/a_compare.webp"
    link = media_link("http://testserver", dataset, url)
    assert link is not None
    answer = client.get(link)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"picture", "image/webp")
    assert media_link("http://testserver", dataset, project.place.root / "other/x.mp4") is None
    assert media_link(None, dataset, url) is None


def test_storage_that_browsers_reach_serves_its_videos_by_links_that_are_signed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = project.folder / "assets_cfg/deployments/local.yaml"
    before = deployment.read_text()
    change_yaml(deployment, lambda one: [profile.update(signed_links=True) for profile in one.get("storage", [])])
    try:
        client = client_of(project, monkeypatch)
    finally:
        deployment.write_text(before)
    answer = client.get(CLIP, follow_redirects=False)
    policy = client.get(f"/{DATASET}/outputs/report/report.html").headers["content-security-policy"]
    if project.place.credential is None:  # a disk has no links of its own
        assert (answer.status_code, "media-src 'self';" in policy) == (200, True)
        return
    link = answer.headers["location"]
    assert (answer.status_code, answer.content, answer.headers["referrer-policy"]) == (307, b"", "no-referrer")
    assert project.place.credential.access_key not in link
    ranged = httpx.get(link, headers={"Range": "bytes=5-9"})
    assert (ranged.status_code, ranged.content) == (206, VIDEO[5:10])
    parts = httpx.URL(link)
    assert f"media-src 'self' {parts.scheme}://{parts.netloc.decode()};" in policy
    missing = client.get(f"/{DATASET}/clips/missing.mp4", follow_redirects=False)
    assert missing.status_code == 404


@pytest.mark.parametrize("path", ["report/report.html", "report/run-0a1b2c3d/report.html", "report/report.csv"])
def test_a_report_is_given_and_its_script_is_nobody_here(client: TestClient, path: str) -> None:
    """Sandboxed without an origin, it can read nothing that this server gives."""
    answer = client.get(f"/{DATASET}/outputs/{path}")
    assert (answer.status_code, answer.content) == (200, b"<script>1</script>")
    policy = {part.split()[0]: part.split()[1:] for part in answer.headers["content-security-policy"].split(";")}
    assert policy["sandbox"] == ["allow-scripts", "allow-downloads"]
    assert policy["default-src"] == ["'none'"]


@pytest.mark.parametrize(
    "path",
    [
        f"/{DATASET}/outputs/notes.txt",
        f"/{DATASET}/outputs/run-1/setup_b0/worker.py",
        *(f"/{DATASET}/outputs/{page}" for page in OTHER_PAGES),
        f"/{DATASET}/clips/report/report.html",
        f"/{DATASET}/clips/../../other/x.mp4",
        f"/{DATASET}/clips/%2e%2e/%2e%2e/other/x.mp4",
        f"/{DATASET}/clips/..%2f..%2fother/x.mp4",
        f"/{DATASET}/clips//etc/x.mp4",
        f"/{DATASET}/clips/none.mp4",
        f"/{DATASET}/setup/a.mp4",
        "/unknown/clips/a.mp4",
        f"/{DATASET}/clips/a%00b.mp4",
        "/",
    ],
)
def test_nothing_else_is_shown(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert b"somebody else" not in answer.content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_written(client: TestClient, method: str) -> None:
    assert client.request(method, CLIP).status_code == 405
