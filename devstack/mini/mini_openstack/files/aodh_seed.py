"""Tell a Keystone of Aodh, its user and its place in the catalogue: aodh_seed.py CLOUDS_YAML API_PORT."""

import sys

import openstack.config
from openstack.connection import Connection

config = openstack.config.OpenStackConfig(config_files=[sys.argv[1]], load_envvars=False)
identity = Connection(config=config.get_one("admin")).identity
project = identity.find_project("service")
user = identity.find_user("aodh") or identity.create_user(
    name="aodh", password="secret", domain_id="default", default_project_id=project.id
)
for role in ("service", "admin"):
    identity.assign_project_role_to_user(project, user, identity.find_role(role))
service = identity.find_service("aodh") or identity.create_service(name="aodh", type="alarming")
known = {endpoint.interface for endpoint in identity.endpoints(service_id=service.id)}
for interface in {"public", "internal", "admin"} - known:
    url = f"http://127.0.0.1:{sys.argv[2]}"
    identity.create_endpoint(service_id=service.id, interface=interface, region_id="RegionOne", url=url)
