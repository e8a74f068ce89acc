"""Give a new Keystone its roles, projects, users and catalogue: keystone_seed.py CLOUDS_YAML PROXY_PORT."""

import sys

import openstack.config
from openstack.connection import Connection

config = openstack.config.OpenStackConfig(config_files=[sys.argv[1]], load_envvars=False)
identity = Connection(config=config.get_one("admin")).identity
roles = {role.name: role for role in identity.roles()}
if "service" not in roles:
    roles["service"] = identity.create_role(name="service")


def user(name, project, *given):
    made = identity.create_user(name=name, password="secret", domain_id="default", default_project_id=project.id)
    for role in given:
        identity.assign_project_role_to_user(project, made, roles[role])


service = identity.create_project(name="service", domain_id="default")
user("swift", service, "service", "admin")
user("funcatron", service, "service", "admin")
for name in ("demo", "alt"):
    user(name, identity.create_project(name=name, domain_id="default"), "member", "reader")
store = identity.create_service(name="swift", type="object-store")
for interface in ("public", "internal", "admin"):
    url = f"http://127.0.0.1:{sys.argv[2]}/v1/AUTH_%(project_id)s"
    identity.create_endpoint(service_id=store.id, interface=interface, region_id="RegionOne", url=url)
