"""What a deployment's resources know of it."""

from __future__ import annotations

from vda_assets.config.deployment import StorageProfile
from vda_assets.project import load_project
from vda_assets.runs.resources import StorageResource, deployment_resources, storage_resource_key
from vda_assets_tests.end_to_end.world import REPOSITORY


def test_a_profile_that_says_everything_is_entered_as_it_says() -> None:
    profile = StorageProfile.model_validate(
        {
            "profile": "s3://clips",
            "access_key_id_env": "KEY_ID",
            "access_key_env": "KEY",
            "region": "eu-central-1",
            "override_url": "http://127.0.0.1:9000",
            "addressing_style": "path",
            "signed_links": True,
        }
    )
    assert profile.model_fields_set == set(StorageProfile.model_fields)
    project = load_project({"VDA_ASSETS_CFG": str(REPOSITORY / "assets_cfg")})
    deployment = project.deployment("local").model_copy(update={"storage": [profile]})
    resource = deployment_resources("local", deployment)[storage_resource_key("local")]
    assert isinstance(resource, StorageResource)
    (known,) = resource.profiles
    secrets = {"KEY_ID": "id", "KEY": "secret"}
    assert StorageProfile.model_validate(known).credential(secrets) == profile.credential(secrets)
