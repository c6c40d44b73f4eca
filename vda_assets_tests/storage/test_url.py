from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vda_assets.storage.errors import BadStorageUrl
from vda_assets.storage.url import StorageUrl, split_dataset_url

components = st.text(
    st.characters(exclude_characters="/,;*\\", exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=12
).filter(lambda text: text not in {".", ".."})
schemes = st.sampled_from(["s3", "gs", "swift", "tos", "azure", "file"])
urls = st.builds(
    lambda scheme, parts: StorageUrl(scheme, tuple(parts)), schemes, st.lists(components, min_size=3, max_size=6)
)


@given(urls)
def test_what_is_printed_is_parsed_as_the_same(url: StorageUrl) -> None:
    assert StorageUrl.parse(str(url)) == url


@given(urls, st.text(max_size=20))
def test_a_join_stays_below_its_root_or_is_refused(url: StorageUrl, relative: str) -> None:
    try:
        joined = url / relative
    except BadStorageUrl:
        return
    assert joined.parts[: len(url.parts)] == url.parts
    assert len(joined.parts) > len(url.parts)
    assert not set(joined.parts) & {"", ".", ".."}
    assert StorageUrl.parse(str(joined)) == joined


@given(urls, components, components)
def test_a_datasets_url_says_where_its_storage_root_is(url: StorageUrl, dataset: str, clip: str) -> None:
    lies_at = url / f"datasets/{dataset}"
    assert split_dataset_url(lies_at) == (url, dataset)
    assert (lies_at / clip).parent == lies_at


@pytest.mark.parametrize(
    ("url", "profile", "bucket", "key"),
    [
        ("s3://bucket/a/b", "s3://bucket", "bucket", "a/b"),
        ("gs://bucket/a", "gs://bucket", "bucket", "a"),
        ("azure://account/container/a/b/", "azure://account", "container", "a/b"),
        ("swift://host/AUTH_ns/container//a", "swift://host/AUTH_ns", "container", "a"),
        ("tos://host/bucket/a", "tos://host/bucket", "bucket", "a"),
        ("file:///a/b", "file://", "", "a/b"),
    ],
)
def test_profile_bucket_and_key_are_osmos(url: str, profile: str, bucket: str, key: str) -> None:
    parsed = StorageUrl.parse(url)
    assert (parsed.profile, parsed.bucket, parsed.key) == (profile, bucket, key)


def test_the_demo_dataset_on_azure_has_its_buckets_root() -> None:
    url = StorageUrl.parse("azure://storiondevxah69/osmo-workflows/datasets/vda-demo")
    assert split_dataset_url(url) == (StorageUrl.parse("azure://storiondevxah69/osmo-workflows"), "vda-demo")


@pytest.mark.parametrize(
    "url",
    [
        "http://x/y",
        "az://a/b",
        "/a/b",
        "s3://",
        "azure://account",
        "swift://host/ns",
        "tos://host",
        "file://a/b",
        "file:///",
        "s3://b/a,b",
        "s3://b/../c",
        "s3://b/a\nb",
    ],
)
def test_what_osmo_would_refuse_is_refused(url: str) -> None:
    with pytest.raises(BadStorageUrl):
        StorageUrl.parse(url)


@pytest.mark.parametrize(
    "url", ["s3://bucket/vda-demo", "s3://datasets/vda-demo", "s3://b/datasets", "file:///datasets/x"]
)
def test_a_dataset_elsewhere_than_under_datasets_has_no_root(url: str) -> None:
    with pytest.raises(BadStorageUrl, match="<storage_url>/datasets/<dataset>"):
        split_dataset_url(StorageUrl.parse(url))
