"""Ready-made services: database sessions, HTTP clients, OpenStack. Each module needs its own library alone.

::

    app.service("db")(Sessions("postgresql+psycopg:///shop"))
    app.service("http")(Clients(timeout=5))
    app.service("cloud")(openstack)
"""
